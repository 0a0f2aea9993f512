#include "smbd/accounts/passdb.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/utf.h"
#include "idl/level.h"
#include "smbd/accounts/tdbsam.h"
#include "tdb/file/file_database.h"
#include "tdb/lmdb/lmdb_database.h"

namespace Atoll::accounts {
namespace {

constexpr uint32_t tdbsam_version = 4;
constexpr uint32_t debian_hash_size = 131;
constexpr std::string_view user_prefix = "USER_", rid_prefix = "RID_", next_rid_key = "NEXT_RID";

// Names are looked up in lower case; only ASCII changes, as in the files that Debian's tools make.
std::string folded(std::string_view name) {
    std::string out(name);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    return out;
}

std::string user_key(std::string_view user) { return std::string(user_prefix) + folded(user); }
std::string rid_key(uint32_t rid) { return fmt::format("{}{:08x}", rid_prefix, rid); }

// Keys and names are stored with their zero byte.
Bytes with_zero(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.c_str()), text.size() + 1}; }

// The two backends differ in how an account is written; keys are the same.
struct Codec {
    Result<void> (*decode)(Bytes, Account&);
    void (*encode)(const Account&, Buffer&);
};

Result<void> decode_record(Bytes in, Account& out) { return decode(in, out); }
void encode_record(const Account& account, Buffer& out) { encode(account, out, idl::written_level()); }

class DatabasePassdb final : public Passdb {
 public:
    DatabasePassdb(tdb::Database& database, Codec codec, uint32_t first_rid) : database_(database), codec_(codec), first_rid_(first_rid) {}
    DatabasePassdb(std::unique_ptr<tdb::Database> database, Codec codec, uint32_t first_rid)
        : owned_(std::move(database)), database_(*owned_), codec_(codec), first_rid_(first_rid) {}

    // Makes an empty database one of the version that we write; refuses another.
    Result<void> prepare(bool create) {
        const auto found = number("INFO/version");
        if (!found) return found.failure();
        if (*found == tdbsam_version) return {};
        if (*found)
            return fail(Code::unsupported, database_.name(), fmt::format("version {} of the account database is not known", **found));
        if (!create) return fail(Code::corrupt, database_.name(), "not an account database");
        for (const auto& [key, value] : {std::pair{"INFO/minor_version", 0u}, std::pair{"INFO/version", tdbsam_version}}) {
            if (auto stored = store_number(key, value); !stored) return stored;
        }
        return {};
    }

    Result<std::optional<Account>> find(std::string_view user) override {
        const std::string key = user_key(user);
        const auto there = database_.fetch(with_zero(key), value_);
        if (!there) return there.failure();
        if (!*there) return std::optional<Account>{};
        Account account;
        if (auto decoded = codec_.decode(value_, account); !decoded) return located(key, decoded.error());
        return std::optional(std::move(account));
    }

    Result<std::optional<Account>> find_rid(uint32_t rid) override {
        const auto there = database_.fetch(with_zero(rid_key(rid)), value_);
        if (!there) return there.failure();
        if (!*there || value_.empty()) return std::optional<Account>{};
        const std::string name(as_text(value_.bytes().first(value_.size() - 1)));
        auto account = find(name);
        if (account && *account && (*account)->rid != rid) return std::optional<Account>{};
        return account;
    }

    Result<void> add(Account& account) override {
        const auto known = find(account.user);
        if (!known) return known.failure();
        if (*known) return fail(Code::exists, database_.name(), "user " + account.user + " is there already");
        if (account.rid == 0) {
            const auto rid = take_rid();
            if (!rid) return rid.failure();
            account.rid = *rid;
        }
        // See "Order of writing" in docs/formats/tdbsam.md.
        const auto holder = find_rid(account.rid);
        if (!holder) return holder.failure();
        if (*holder) return fail(Code::exists, database_.name(), fmt::format("RID {} belongs to {}", account.rid, (*holder)->user));
        if (auto stored = database_.store(with_zero(rid_key(account.rid)), with_zero(folded(account.user))); !stored) return stored;
        return store(account, tdb::StoreMode::insert);
    }

    Result<void> update(const Account& account) override { return store(account, tdb::StoreMode::modify); }

    Result<bool> remove(std::string_view user) override {
        const auto known = find(user);
        if (!known) return known.failure();
        if (!*known) return false;
        const auto removed = database_.remove(with_zero(user_key(user)));
        if (!removed) return removed.failure();
        if (auto rid = database_.remove(with_zero(rid_key((*known)->rid))); !rid) return rid.failure();
        return *removed;
    }

    Result<std::vector<Account>> all() override {
        std::vector<Account> accounts;
        Result<void> outcome;
        const auto visited = database_.traverse([&](Bytes key, Bytes value) {
            if (!as_text(key).starts_with(user_prefix)) return tdb::Visit::go_on;
            Account account;
            if (auto decoded = codec_.decode(value, account); !decoded) {
                outcome = located(std::string(as_text(key)), decoded.error());
                return tdb::Visit::stop;
            }
            accounts.push_back(std::move(account));
            return tdb::Visit::go_on;
        });
        if (!visited) return visited.failure();
        if (!outcome) return outcome.failure();
        return accounts;
    }

 private:
    Failure<Error> located(const std::string& key, const Error& error) const {
        return fail(error.code, database_.name(), key.c_str() + std::string(": ") + error.text);
    }

    Result<void> store(const Account& account, tdb::StoreMode mode) {
        value_.clear();
        codec_.encode(account, value_);
        return database_.store(with_zero(user_key(account.user)), value_, mode);
    }

    Result<std::optional<uint32_t>> number(const std::string& key) {
        const auto there = database_.fetch(with_zero(key), value_);
        if (!there) return there.failure();
        if (!*there) return std::optional<uint32_t>{};
        if (value_.size() != 4) return fail(Code::corrupt, database_.name(), key + " is not a number");
        return std::optional(load_le<uint32_t>(value_.data()));
    }

    Result<void> store_number(const std::string& key, uint32_t value) {
        uint8_t bytes[4];
        store_le(bytes, value);
        return database_.store(with_zero(key), bytes);
    }

    Result<uint32_t> take_rid() {
        const std::string key(next_rid_key);
        auto record = database_.fetch_locked(with_zero(key));
        if (!record) return record.failure();
        uint32_t rid = first_rid_;
        if (record->exists()) {
            if (record->value().size() != 4) return fail(Code::corrupt, database_.name(), "NEXT_RID is not a number");
            rid = std::max(rid, load_le<uint32_t>(record->value().data()));
        }
        if (rid == UINT32_MAX) return fail(Code::no_space, database_.name(), "all RIDs are used up");
        uint8_t next[4];
        store_le(next, rid + 1);
        if (auto stored = record->store(next); !stored) return stored.failure();
        return rid;
    }

    std::unique_ptr<tdb::Database> owned_;
    tdb::Database& database_;
    Codec codec_;
    uint32_t first_rid_;
    Buffer value_;
};

constexpr Codec tdbsam_codec = {decode_tdbsam, encode_tdbsam};
constexpr Codec record_codec = {decode_record, encode_record};

Result<std::unique_ptr<Passdb>> prepared(std::unique_ptr<tdb::Database> database, Codec codec, uint32_t first_rid, bool create) {
    auto passdb = std::make_unique<DatabasePassdb>(std::move(database), codec, first_rid);
    if (auto ready = passdb->prepare(create); !ready) return ready.failure();
    return std::unique_ptr<Passdb>(std::move(passdb));
}

// `private dir` holds secrets: only its owner may look into one that we make.
void make_private_directory(const std::string& path) { (void)::mkdir(path.c_str(), 0700); }

}  // namespace

std::unique_ptr<Passdb> tdbsam_on(tdb::Database& database, uint32_t first_rid) {
    return std::make_unique<DatabasePassdb>(database, tdbsam_codec, first_rid);
}

std::unique_ptr<Passdb> records_on(tdb::Database& database, uint32_t first_rid) {
    return std::make_unique<DatabasePassdb>(database, record_codec, first_rid);
}

Result<std::unique_ptr<Passdb>> open_passdb(const conf::GlobalConf& global, std::string_view backend, bool create) {
    if (backend.empty()) backend = global.passdb_backend;
    const size_t colon = backend.find(':');
    const std::string kind(backend.substr(0, colon));
    std::string path(colon == std::string_view::npos ? "" : backend.substr(colon + 1));
    const bool named = !path.empty();
    const uint32_t first_rid = std::max<uint32_t>(global.algorithmic_rid_base, 1000);
    if (create && !named) make_private_directory(global.private_dir);
    if (kind == "tdbsam") {
        tdb::FileOptions options;
        options.path = named ? path : global.private_dir + "/passdb.tdb";
        options.create = create;
        options.hash = tdb::HashKind::standard;
        options.hash_size = debian_hash_size;
        auto database = tdb::FileDatabase::open(options);
        if (!database) return database.failure();
        return prepared(std::move(*database), tdbsam_codec, first_rid, create);
    }
    if (kind == "lmdb") {
        tdb::LmdbOptions options;
        options.path = named ? path : global.private_dir + "/accounts.mdb";
        options.create = create;
        auto database = tdb::LmdbDatabase::open(options);
        if (!database) return database.failure();
        return prepared(std::move(*database), record_codec, first_rid, create);
    }
    return fail(Code::unsupported, "passdb backend", "no backend '" + kind + "': there are tdbsam and lmdb");
}

Result<Sid> machine_sid(const conf::GlobalConf& global, bool create) {
    if (create) make_private_directory(global.private_dir);
    tdb::FileOptions options;
    options.path = global.private_dir + "/secrets.tdb";
    options.create = create;
    options.hash = tdb::HashKind::standard;
    options.hash_size = debian_hash_size;
    auto database = tdb::FileDatabase::open(options);
    if (!database) return database.failure();
    return machine_sid_in(**database, global.netbios_name, create);
}

}  // namespace Atoll::accounts
