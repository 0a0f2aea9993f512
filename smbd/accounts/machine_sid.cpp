// The machine SID in secrets.tdb (docs/formats/tdbsam.md).
#include <array>

#include "base/bytes.h"
#include "base/random.h"
#include "base/utf.h"
#include "smbd/accounts/passdb.h"

namespace Atoll::accounts {
namespace {

constexpr size_t stored_size = 68;  // a SID with all 15 sub-authorities, used or not

std::optional<Sid> decode_stored(Bytes bytes) {
    ByteReader in(bytes);
    const Sid sid = Sid::decode(in);
    if (!in.ok() || !sid.valid() || bytes.size() != stored_size) return std::nullopt;
    return sid;
}

Sid new_domain_sid() {
    std::array<uint8_t, 12> random;
    fill_random(random);
    return Sid(5, {21, load_le<uint32_t>(random.data()), load_le<uint32_t>(random.data() + 4), load_le<uint32_t>(random.data() + 8)});
}

}  // namespace

Result<Sid> machine_sid_in(tdb::Database& secrets, std::string_view netbios_name, bool create) {
    const std::string key = "SECRETS/SID/" + to_upper_utf8(netbios_name);
    auto record = secrets.fetch_locked(as_bytes(key));
    if (!record) return record.failure();
    if (record->exists()) {
        const auto sid = decode_stored(record->value());
        if (!sid) return fail(Code::corrupt, secrets.name(), key + " is not a SID");
        return *sid;
    }
    if (!create) return fail(Code::not_found, secrets.name(), "there is no " + key);
    const Sid sid = new_domain_sid();
    Buffer stored;
    ByteWriter w(stored);
    sid.encode(w);
    w.zeros(stored_size - stored.size());
    if (auto done = record->store(stored); !done) return done.failure();
    return sid;
}

}  // namespace Atoll::accounts
