#include "smbd/server/handover.h"

#include <gtest/gtest.h>

#include "idl/arbitrary.h"
#include "idl/record_type.h"

namespace Atoll::server {
namespace {

TEST(Handover, AChannelArrivesAsItWas) {
    smb2::ChannelState channel;
    channel.dialect = 0x0311;
    channel.cipher = 2;
    channel.signing_algorithm = 1;
    channel.client_security_mode = 3;
    channel.server_security_mode = 1;
    channel.client_capabilities = 0x7F;
    channel.server_capabilities = 0x44;
    channel.max_transact = 1;
    channel.max_read = 2;
    channel.max_write = 3;
    channel.client_guid = Guid::random();
    channel.server_guid = Guid::random();
    channel.client_dialects_count = 3;
    channel.client_dialects = {0x0202, 0x0300, 0x0311};
    channel.preauth_hash.fill(0x5A);
    channel.next_message_id = 7;
    channel.credits = 9;
    channel.peer_address = "192.0.2.1";
    channel.peer_port = 50000;
    channel.local_address = "2001:db8::1";
    channel.local_port = 139;
    channel.netbios = true;
    channel_handover record;
    record.channel = to_record(channel);
    channel_handover read;
    ASSERT_TRUE(decode(encode_record(record), read).ok());
    EXPECT_EQ(read, record);
    const smb2::ChannelState back = from_record(read.channel);
    EXPECT_EQ(to_record(back), record.channel);
    EXPECT_EQ(back.client_dialects, channel.client_dialects);
    EXPECT_EQ(back.preauth_hash, channel.preauth_hash);
    EXPECT_EQ(back.next_message_id, 7u);
    EXPECT_EQ(back.peer_address, "192.0.2.1");
    EXPECT_TRUE(back.netbios);
}

TEST(Handover, SecretsAreNotPrinted) {
    logon_grant grant;
    grant.session_key.assign(16, 0x41);
    grant.spnego_token.assign(40, 0x41);
    EXPECT_EQ(print(grant).find("4141"), std::string::npos);
    EXPECT_EQ(print(grant).find("AAAA"), std::string::npos);
}

TEST(Handover, EveryRecordRoundTrips) {
    for (const idl::RecordType& type : server_records()) {
        for (uint64_t seed = 0; seed < 50; ++seed) {
            idl::Arbitrary random(seed);
            Buffer record;
            type.make(random, record, type.newest);
            EXPECT_TRUE(type.round_trips(record)) << type.name << " " << seed;
        }
    }
}

}  // namespace
}  // namespace Atoll::server
