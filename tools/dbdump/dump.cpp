#include "tools/dbdump/dump.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/unique_fd.h"
#include "tdb/file/file_database.h"
#include "tdb/lmdb/lmdb_database.h"

namespace Atoll::dbdump {
namespace {

constexpr uint32_t lmdb_magic = 0xBEEFC0DE;  // behind the 16 bytes of an LMDB file's first page header

enum class Store : uint8_t { tdb, lmdb };

Result<Store> store_of(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, path, "cannot open the database");
    std::array<uint8_t, 20> head{};
    const ssize_t got = ::pread(fd.get(), head.data(), head.size(), 0);
    if (got < 0) return fail_errno(errno, path, "cannot read the database");
    if (as_text(head).starts_with("TDB file\n")) return Store::tdb;
    if (load_le<uint32_t>(head.data() + 16) == lmdb_magic) return Store::lmdb;
    return fail(Code::corrupt, path, "neither a TDB file nor an LMDB one");
}

std::string json_text(std::string_view text) {
    idl::Printer printer(Form::json);
    printer.text(text);
    return printer.take();
}

std::string digits(Bytes bytes, Form form) {
    idl::Printer printer(form);
    printer.bytes(bytes);
    return printer.take();
}

class Dumper {
 public:
    Dumper(Form form, Outcome& outcome) : form_(form), outcome_(outcome) {}

    // All records of one database; `name` is what is printed as its name.
    Result<void> add(tdb::Database& database, std::string_view name, const Schema& schema) {
        begin(name, schema);
        bool first = true;
        auto seen = database.traverse([&](Bytes key, Bytes value) {
            if (form_ == Form::json && !first) outcome_.text += ",\n";
            first = false;
            add_record(schema, key, value);
            return tdb::Visit::go_on;
        });
        if (form_ == Form::json) outcome_.text += "\n]}";
        return seen ? Result<void>() : Result<void>(seen.failure());
    }

 private:
    void begin(std::string_view name, const Schema& schema) {
        if (form_ == Form::json) {
            outcome_.text += fmt::format("{{\"database\": {}, \"known\": {}, \"records\": [\n", json_text(name), !schema.name.empty());
        } else if (schema.name.empty()) {
            outcome_.text += fmt::format("{}: no database of ours; its records are told by their headers\n", name);
        } else {
            outcome_.text += fmt::format("{}:\n", name);
        }
    }

    void add_record(const Schema& schema, Bytes key, Bytes value) {
        outcome_.records++;
        const std::string shown_key = describe_key(schema, key, form_);
        auto described = schema.describe(key, value, form_);
        std::string& out = outcome_.text;
        if (form_ == Form::json) {
            out += fmt::format("{{\"key\": {}, ", shown_key);
            if (described) {
                out += described->type.empty() ? "" : fmt::format("\"type\": {}, ", json_text(described->type));
                out += fmt::format("\"value\": {}}}", described->value);
            } else {
                out += fmt::format("\"error\": {}, \"bytes\": {}}}", json_text(described.error().message()), digits(value, form_));
            }
        } else if (described) {
            out += fmt::format("\nkey: {}\nvalue: {}\n", shown_key, described->value);
        } else {
            out += fmt::format("\nkey: {}\nnot readable: {}\nbytes: {}\n", shown_key, described.error().message(), digits(value, form_));
        }
        outcome_.unreadable += described ? 0 : 1;
    }

    Form form_;
    Outcome& outcome_;
};

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<void> dump_tdb(const Options& options, Dumper& dumper) {
    auto database = tdb::FileDatabase::open({.path = options.path, .create = false, .read_only = true});
    if (!database) return database.failure();
    const std::string name = base_name(options.path);
    return dumper.add(**database, name, schema_of(options.schema.empty() ? name : options.schema));
}

// The file's only database, which has no name of its own.
Result<void> dump_unnamed(const Options& options, Dumper& dumper) {
    auto database = tdb::LmdbDatabase::open({.path = options.path, .create = false, .read_only = true});
    if (!database) return database.failure();
    const std::string name = base_name(options.path);
    return dumper.add(**database, name, schema_of(options.schema.empty() ? name : options.schema));
}

Result<void> dump_lmdb(const Options& options, Dumper& dumper, std::string& out) {
    auto environment = tdb::LmdbEnvironment::open({.path = options.path, .create = false, .read_only = true});
    if (!environment) return environment.failure();
    auto names = (*environment)->database_names();
    if (!names) return names.failure();
    if (names->empty()) {
        environment->reset();  // a process opens a file at most once
        return dump_unnamed(options, dumper);
    }
    bool any = false;
    for (const std::string& name : *names) {
        if (!options.database.empty() && options.database != name) continue;
        if (any) out += options.form == Form::json ? ",\n" : "\n";
        any = true;
        auto database = tdb::LmdbDatabase::open(*environment, name, tdb::Rank::none);
        if (!database) return database.failure();
        if (auto added = dumper.add(**database, name, schema_of(options.schema.empty() ? name : options.schema)); !added) return added;
    }
    if (!any) return fail(Code::not_found, options.path, "there is no database '" + options.database + "' in it");
    return {};
}

}  // namespace

Result<Outcome> dump(const Options& options) {
    auto store = store_of(options.path);
    if (!store) return store.failure();
    Outcome outcome;
    Dumper dumper(options.form, outcome);
    if (options.form == Form::json) outcome.text += "[";
    auto dumped = *store == Store::tdb ? dump_tdb(options, dumper) : dump_lmdb(options, dumper, outcome.text);
    if (!dumped) return dumped.failure();
    if (options.form == Form::json) outcome.text += "]\n";
    return outcome;
}

}  // namespace Atoll::dbdump
