#include "tools/tdb/session.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "tools/tdb/copy.h"
#include "tools/tdb/record_text.h"

namespace Atoll::tools {
namespace {

constexpr uint32_t new_hash_size = 131;  // what Debian's makes
constexpr unsigned plain_mode = 0600;

constexpr const char* help_text =
    "\ntdbtool: \n"
    "  create    dbname     : create a database\n"
    "  open      dbname     : open an existing database\n"
    "  transaction_start    : start a transaction\n"
    "  transaction_commit   : commit a transaction\n"
    "  transaction_cancel   : cancel a transaction\n"
    "  erase                : erase the database\n"
    "  dump                 : dump the database as strings\n"
    "  keys                 : dump the database keys as strings\n"
    "  hexkeys              : dump the database keys as hex values\n"
    "  info                 : print summary info about the database\n"
    "  insert    key  data  : insert a record\n"
    "  move      key  file  : move a record to a destination tdb\n"
    "  storehex  key  data  : store a record (replace), key/value in hex format\n"
    "  store     key  data  : store a record (replace)\n"
    "  show      key        : show a record by key\n"
    "  delete    key        : delete a record by key\n"
    "  list                 : print the database hash table and freelist\n"
    "  free                 : print the database freelist\n"
    "  freelist_size        : print the number of records in the freelist\n"
    "  check                : check the integrity of an opened database\n"
    "  repack               : repack the database\n"
    "  export    file       : copy the database to a plain file\n"
    "  speed                : perform speed tests on the database\n"
    "  ! command            : execute system command\n"
    "  1 | first            : print the first record\n"
    "  n | next             : print the next record\n"
    "  q | quit             : terminate\n"
    "  \\n                   : repeat 'next' command\n\n";

void complain(const Error& error) { fmt::print(stderr, "tdbtool: {}\n", error.message()); }

// The system's word for it, where it has one.
std::string short_reason(const Error& error) {
    switch (error.code) {
        case Code::not_found: return std::strerror(ENOENT);
        case Code::denied: return std::strerror(EACCES);
        case Code::corrupt: return std::strerror(EIO);
        default: return error.text;
    }
}

constexpr auto print_record = [](Bytes key, Bytes value) {
    fmt::print("\nkey {} bytes\n{}\ndata {} bytes\n{}", key.size(), printable(key), value.size(), hex_lines(value));
    return tdb::Visit::go_on;
};

void print_place(int64_t chain, const tdb::RecordPlace& place) {
    const tdb::RecordHeader& header = place.header;
    fmt::print(" rec: hash={} offset=0x{:08x} next=0x{:08x} rec_len={} key_len={} data_len={} full_hash=0x{:08x} magic=0x{:08x}\n", chain,
               place.offset, header.next, header.rec_len, header.key_len, header.data_len, header.full_hash, header.magic);
}

// False, and says so, if a word that the command needs is not there.
bool has_words(const Session::Words& words, const char* second = nullptr, const char* first = "need key") {
    if (words.first.empty()) {
        fmt::print("{}\n", first);
        return false;
    }
    if (second && words.second.empty()) {
        fmt::print("{}\n", second);
        return false;
    }
    return true;
}

}  // namespace

struct Session::Command {
    std::string_view name;
    void (Session::*run)(const Words&);
    bool needs_database = true;
};

const Session::Command* Session::find(std::string_view name) {
    static constexpr Command commands[] = {
        {"create", &Session::create, false},
        {"open", &Session::open, false},
        {"!", &Session::system, false},
        {"transaction_start", &Session::transaction_start},
        {"transaction_commit", &Session::transaction_commit},
        {"transaction_cancel", &Session::transaction_cancel},
        {"erase", &Session::erase},
        {"dump", &Session::dump},
        {"keys", &Session::keys},
        {"hexkeys", &Session::hexkeys},
        {"info", &Session::info},
        {"insert", &Session::insert},
        {"move", &Session::move},
        {"storehex", &Session::storehex},
        {"store", &Session::store},
        {"show", &Session::show},
        {"delete", &Session::remove},
        {"list", &Session::list},
        {"free", &Session::free_list},
        {"freelist_size", &Session::freelist_size},
        {"check", &Session::check},
        {"repack", &Session::repack},
        {"export", &Session::export_plain},
        {"speed", &Session::speed},
        {"first", &Session::first},
        {"1", &Session::first},
        {"next", &Session::next},
        {"n", &Session::next},
        {"", &Session::next},
    };
    for (const Command& command : commands) {
        if (command.name == name) return &command;
    }
    return nullptr;
}

bool Session::run(const Words& words) {
    if (words.command == "quit" || words.command == "q") return false;
    const Command* command = find(words.command);
    const bool closed = !database_ && (!command || command->needs_database);
    if (closed) fmt::print("database not open\n");
    if (closed || !command) {
        fmt::print("{}", help_text);
        return true;
    }
    (this->*command->run)(words);
    return true;
}

// Databases

void Session::use(Result<std::unique_ptr<tdb::FileDatabase>> opened, const std::string& path, std::string_view verb) {
    changed();
    if (opened) {
        database_ = std::move(*opened);
        return;
    }
    complain(opened.error());
    fmt::print("Could not {} {}: {}\n", verb, path, short_reason(opened.error()));
}

void Session::create(const Words& words) {
    if (!has_words(words, nullptr, "need name")) return;
    database_.reset();
    use(tdb::FileDatabase::open({.path = words.first,
                                 .truncate = true,
                                 .no_locks = no_locks_,
                                 .hash = tdb::HashKind::standard,
                                 .hash_size = new_hash_size,
                                 .mode = plain_mode}),
        words.first, "create");
}

void Session::open(const Words& words) {
    if (!has_words(words, nullptr, "need name")) return;
    database_.reset();
    auto opened = tdb::FileDatabase::open({.path = words.first, .create = false, .no_locks = no_locks_});
    // Who takes no locks may only read a file with mutexes.
    if (!opened && no_locks_ && opened.error().code == Code::invalid) {
        opened = tdb::FileDatabase::open({.path = words.first, .create = false, .read_only = true, .no_locks = true});
    }
    use(std::move(opened), words.first, "open");
}

void Session::erase(const Words&) {
    changed();
    if (auto wiped = database_->wipe(); !wiped) complain(wiped.error());
}

void Session::info(const Words&) {
    auto summary = database_->summary();
    if (!summary) return complain(summary.error());
    fmt::print("{}", describe(*summary));
}

void Session::check(const Words&) {
    auto records = database_->check();
    if (records) {
        fmt::print("Database integrity is OK and has {} records.\n", *records);
    } else {
        complain(records.error());
        fmt::print("Integrity check for the opened database failed.\n");
    }
}

void Session::repack(const Words&) {
    changed();
    if (auto repacked = database_->repack(); !repacked) complain(repacked.error());
}

void Session::export_plain(const Words& words) {
    if (!has_words(words, nullptr, "need file")) return;
    auto records = copy_records(*database_, words.first, 0, plain_mode, !no_locks_);
    if (records) {
        fmt::print("{} records exported\n", *records);
    } else {
        complain(records.error());
        fmt::print("export failed\n");
    }
}

void Session::speed(const Words&) {
    changed();
    measure_speed(*database_);
}

void Session::transaction_start(const Words&) {
    if (auto begun = database_->begin(); !begun) complain(begun.error());
}

void Session::transaction_commit(const Words&) {
    changed();
    if (!database_->in_transaction()) {
        fmt::print(stderr, "tdbtool: no transaction\n");
    } else if (auto committed = database_->commit(); !committed) {
        complain(committed.error());
    }
}

void Session::transaction_cancel(const Words&) {
    changed();
    if (database_->in_transaction()) {
        database_->cancel();
    } else {
        fmt::print(stderr, "tdbtool: no transaction\n");
    }
}

// Records

void Session::dump(const Words&) {
    if (auto seen = database_->traverse(print_record); !seen) complain(seen.error());
}

void Session::keys(const Words&) {
    auto seen = database_->traverse([](Bytes key, Bytes) {
        fmt::print("key {} bytes: {}\n", key.size(), printable(key));
        return tdb::Visit::go_on;
    });
    if (!seen) complain(seen.error());
}

void Session::hexkeys(const Words&) {
    auto seen = database_->traverse([](Bytes key, Bytes) {
        fmt::print("key {} bytes\n{}\n", key.size(), hex_lines(key));
        return tdb::Visit::go_on;
    });
    if (!seen) complain(seen.error());
}

bool Session::show_record(std::string_view key) {
    auto found = database_->parse(as_bytes(key), [&](Bytes value) { print_record(as_bytes(key), value); });
    if (!found) complain(found.error());
    const bool there = found && *found;
    if (!there) fmt::print("fetch failed\n");
    return there;
}

void Session::show(const Words& words) {
    if (has_words(words)) show_record(words.first);
}

void Session::insert(const Words& words) {
    if (!has_words(words)) return;
    changed();
    if (auto stored = database_->store(as_bytes(words.first), as_bytes(words.second), tdb::StoreMode::insert); !stored) {
        if (stored.error().code != Code::exists) complain(stored.error());
        fmt::print("insert failed\n");
    }
}

void Session::store_shown(std::string_view key, std::string_view value) {
    changed();
    fmt::print("Storing key:\n");
    print_record(as_bytes(key), as_bytes(value));
    if (auto stored = database_->store(as_bytes(key), as_bytes(value)); !stored) {
        complain(stored.error());
        fmt::print("store failed\n");
    }
}

void Session::store(const Words& words) {
    if (has_words(words, "need data")) store_shown(words.first, words.second);
}

void Session::storehex(const Words& words) {
    if (!has_words(words, "need data")) return;
    std::string key, value;
    if (!from_hex(words.first, key)) {
        fmt::print("need hex key\n");
    } else if (!from_hex(words.second, value)) {
        fmt::print("need hex data\n");
    } else {
        store_shown(key, value);
    }
}

void Session::remove(const Words& words) {
    if (!has_words(words)) return;
    changed();
    auto removed = database_->remove(as_bytes(words.first));
    if (!removed) complain(removed.error());
    if (!removed || !*removed) fmt::print("delete failed\n");
}

// As Debian's does it, the record stays where it was, too.
void Session::move(const Words& words) {
    if (!has_words(words, "need destination tdb name") || !show_record(words.first)) return;
    Buffer value;
    auto found = database_->fetch(as_bytes(words.first), value);
    if (!found || !*found) return;
    auto target = tdb::FileDatabase::open({.path = words.second, .create = false});
    if (!target) {
        complain(target.error());
        fmt::print("unable to open destination tdb\n");
    } else if (auto stored = (*target)->store(as_bytes(words.first), value); !stored) {
        complain(stored.error());
        fmt::print("failed to move record\n");
    } else {
        fmt::print("record moved\n");
    }
}

// Walking

void Session::show_next(Result<bool> found, Buffer& key) {
    if (!found && found.error().code != Code::not_found) complain(found.error());
    at_end_ = !found || !*found;
    if (at_end_) {
        fmt::print("fetch failed\n");
        return;
    }
    position_ = std::move(key);
    show_record(as_text(position_));
}

void Session::first(const Words&) {
    iterating_ = true;
    Buffer key;
    auto found = database_->first_key(key);
    show_next(std::move(found), key);
}

void Session::next(const Words&) {
    if (!iterating_) return;
    Buffer key;
    auto found = at_end_ ? Result<bool>(false) : database_->next_key(position_, key);
    show_next(std::move(found), key);
}

// The file's structure

void Session::list(const Words&) {
    for (uint32_t chain = 0; chain < database_->hash_size(); chain++) {
        bool any = false;
        auto visited = database_->visit_chain(chain, [&](const tdb::RecordPlace& place) {
            if (!any) fmt::print("hash={}\n", chain);
            any = true;
            print_place(chain, place);
            return tdb::Visit::go_on;
        });
        if (!visited) return complain(visited.error());
    }
    fmt::print("freelist:\n");
    bool any = false;
    auto visited = database_->visit_free_list([&](const tdb::RecordPlace& place) {
        if (!any) fmt::print("hash=-1\n");
        any = true;
        print_place(-1, place);
        return tdb::Visit::go_on;
    });
    if (!visited) complain(visited.error());
}

void Session::free_list(const Words&) {
    uint64_t total = 0;
    std::string lines;
    auto top = database_->visit_free_list([&](const tdb::RecordPlace& place) {
        const uint32_t length = place.header.rec_len;
        lines += fmt::format("entry offset=[0x{:08x}], rec.rec_len = [0x{:08x} ({})] (end = 0x{:08x})\n", place.offset, length, length,
                             place.offset + length);
        total += length;
        return tdb::Visit::go_on;
    });
    if (!top) return complain(top.error());
    fmt::print("freelist top=[0x{:08x}]\n{}total rec_len = [0x{:08x} ({})]\n", *top, lines, total, total);
}

void Session::freelist_size(const Words&) {
    uint64_t records = 0;
    auto top = database_->visit_free_list([&](const tdb::RecordPlace&) {
        records++;
        return tdb::Visit::go_on;
    });
    if (!top) return complain(top.error());
    fmt::print("freelist size: {}\n", records);
}

void Session::system(const Words& words) {
    std::fflush(stdout);
    if (!words.line.empty() && std::system(words.line.c_str()) == -1) fmt::print(stderr, "tdbtool: cannot run a command\n");
}

}  // namespace Atoll::tools
