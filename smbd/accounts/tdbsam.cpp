#include "smbd/accounts/tdbsam.h"

#include <array>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace Atoll::accounts {
namespace {

constexpr size_t text_count = 12;

// In the order of the file; bit n of Account::absent is the n-th.
template <class A>
auto texts(A& a) {
    return std::array{&a.user,         &a.domain,       &a.nt_name,     &a.full_name,    &a.home_directory, &a.home_drive,
                      &a.logon_script, &a.profile_path, &a.description, &a.workstations, &a.comment,        &a.munged_dial};
}

template <class A>
auto times(A& a) {
    return std::array{&a.logon_time,        &a.logoff_time,         &a.kickoff_time,        &a.bad_password_time,
                      &a.password_last_set, &a.password_can_change, &a.password_must_change};
}

// False: absent. A text ends with its only zero byte.
bool read_text(ByteReader& in, std::string& out) {
    out.clear();
    const uint32_t size = in.u32();
    if (size == 0) return false;
    const Bytes bytes = in.bytes(size);
    if (bytes.empty() || as_text(bytes).find('\0') != bytes.size() - 1) {
        in.fail();
        return true;
    }
    out.assign(as_text(bytes.first(bytes.size() - 1)));
    return true;
}

void read_blob(ByteReader& in, std::vector<uint8_t>& out) {
    const Bytes bytes = in.bytes(in.u32());
    out.assign(bytes.begin(), bytes.end());
}

void write_blob(ByteWriter& w, Bytes bytes) {
    w.u32(static_cast<uint32_t>(bytes.size()));
    w.bytes(bytes);
}

}  // namespace

Result<void> decode_tdbsam(Bytes record, Account& out) {
    ByteReader in(record);
    for (uint32_t* time : times(out)) *time = in.u32();
    out.absent = 0;
    const auto all = texts(out);
    for (size_t i = 0; i < text_count; i++) {
        if (!read_text(in, *all[i])) out.absent |= 1u << i;
    }
    out.rid = in.u32();
    out.group_rid = in.u32();
    read_blob(in, out.lm_hash);
    read_blob(in, out.nt_hash);
    read_blob(in, out.history);
    out.flags = in.u32();
    out.logon_divisions = in.u16();
    out.logon_hours_used = in.u32();
    read_blob(in, out.logon_hours);
    out.bad_password_count = in.u16();
    out.logon_count = in.u16();
    out.unknown_6 = in.u32();
    const Bytes rest = in.rest();
    out.rest.assign(rest.begin(), rest.end());
    const auto is_hash = [](const std::vector<uint8_t>& hash) { return hash.empty() || hash.size() == 16; };
    if (!in.ok() || out.user.empty() || !is_hash(out.lm_hash) || !is_hash(out.nt_hash)) {
        return fail(Code::corrupt, "", "an account record that is not as docs/formats/tdbsam.md says");
    }
    return {};
}

void encode_tdbsam(const Account& account, Buffer& out) {
    ByteWriter w(out);
    for (const uint32_t* time : times(account)) w.u32(*time);
    const auto all = texts(account);
    for (size_t i = 0; i < text_count; i++) {
        if (all[i]->empty() && (account.absent & 1u << i)) {
            w.u32(0);
            continue;
        }
        w.u32(static_cast<uint32_t>(all[i]->size() + 1));
        w.bytes(as_bytes(*all[i]));
        w.u8(0);
    }
    w.u32(account.rid);
    w.u32(account.group_rid);
    write_blob(w, account.lm_hash);
    write_blob(w, account.nt_hash);
    write_blob(w, account.history);
    w.u32(account.flags);
    w.u16(account.logon_divisions);
    w.u32(account.logon_hours_used);
    write_blob(w, account.logon_hours);
    w.u16(account.bad_password_count);
    w.u16(account.logon_count);
    w.u32(account.unknown_6);
    w.bytes(account.rest);
}

}  // namespace Atoll::accounts
