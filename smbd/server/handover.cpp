#include "smbd/server/handover.h"

#include <algorithm>

#include "base/limits.h"

namespace Atoll::server {

static_assert(MAX_HANDOVER_FRAME == limits::max_preauth_frame);
static_assert(MAX_UNREAD == limits::max_preauth_frame + 4);
static_assert(MAX_DIALECTS == limits::max_dialects);

channel_state to_record(const smb2::ChannelState& channel) {
    channel_state record;
    record.dialect = channel.dialect;
    record.cipher = channel.cipher;
    record.signing_algorithm = channel.signing_algorithm;
    record.client_security_mode = channel.client_security_mode;
    record.server_security_mode = channel.server_security_mode;
    record.client_capabilities = channel.client_capabilities;
    record.server_capabilities = channel.server_capabilities;
    record.max_transact = channel.max_transact;
    record.max_read = channel.max_read;
    record.max_write = channel.max_write;
    record.client_guid = channel.client_guid;
    record.server_guid = channel.server_guid;
    record.client_dialects.assign(channel.client_dialects.begin(), channel.client_dialects.begin() + channel.client_dialects_count);
    record.preauth_hash = channel.preauth_hash;
    record.next_message_id = channel.next_message_id;
    record.credits = channel.credits;
    record.peer_address = channel.peer_address;
    record.peer_port = channel.peer_port;
    record.local_address = channel.local_address;
    record.local_port = channel.local_port;
    record.netbios = channel.netbios;
    return record;
}

smb2::ChannelState from_record(const channel_state& record) {
    smb2::ChannelState channel;
    channel.dialect = record.dialect;
    channel.cipher = record.cipher;
    channel.signing_algorithm = record.signing_algorithm;
    channel.client_security_mode = record.client_security_mode;
    channel.server_security_mode = record.server_security_mode;
    channel.client_capabilities = record.client_capabilities;
    channel.server_capabilities = record.server_capabilities;
    channel.max_transact = record.max_transact;
    channel.max_read = record.max_read;
    channel.max_write = record.max_write;
    channel.client_guid = record.client_guid;
    channel.server_guid = record.server_guid;
    channel.client_dialects_count = static_cast<uint16_t>(record.client_dialects.size());
    std::copy(record.client_dialects.begin(), record.client_dialects.end(), channel.client_dialects.begin());
    channel.preauth_hash = record.preauth_hash;
    channel.next_message_id = record.next_message_id;
    channel.credits = record.credits;
    channel.peer_address = record.peer_address;
    channel.peer_port = record.peer_port;
    channel.local_address = record.local_address;
    channel.local_port = record.local_port;
    channel.netbios = record.netbios;
    return channel;
}

logon_grant to_record(const smb2::LogonGrant& grant) {
    logon_grant record;
    record.session_id = grant.session_id;
    record.session_key = grant.session_key;
    record.token = grant.token;
    record.account_name = grant.account_name;
    record.domain_name = grant.domain_name;
    record.is_guest = grant.is_guest;
    record.is_anonymous = grant.is_anonymous;
    record.expires = grant.expires;
    const Bytes token = grant.spnego_token.bytes();
    record.spnego_token.assign(token.begin(), token.end());
    return record;
}

smb2::LogonGrant from_record(const logon_grant& record) {
    smb2::LogonGrant grant;
    grant.session_id = record.session_id;
    grant.session_key = record.session_key;
    grant.token = record.token;
    grant.account_name = record.account_name;
    grant.domain_name = record.domain_name;
    grant.is_guest = record.is_guest;
    grant.is_anonymous = record.is_anonymous;
    grant.expires = record.expires;
    grant.spnego_token.assign(record.spnego_token);
    return grant;
}

}  // namespace Atoll::server
