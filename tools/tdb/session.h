// tdbtool's commands on one database after the other. What they print goes to the standard output, as Debian's tdbtool(8) prints it, so
// that scripts may read either; why something failed goes to the standard error.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tdb/file/file_database.h"

namespace Atoll::tools {

class Session {
 public:
    // no_locks: databases are opened without locks, those with mutexes for reading.
    explicit Session(bool no_locks) : no_locks_(no_locks) {}

    struct Words {
        std::string_view command;
        std::string first;   // what \XX stands for has been put in
        std::string second;  // the rest of the line
        std::string line;    // behind the command, as it was written
    };
    // False: the session is over.
    bool run(const Words& words);
    void open(const Words& words);

 private:
    struct Command;
    static const Command* find(std::string_view name);

    void create(const Words& words);
    void transaction_start(const Words& words);
    void transaction_commit(const Words& words);
    void transaction_cancel(const Words& words);
    void erase(const Words& words);
    void dump(const Words& words);
    void keys(const Words& words);
    void hexkeys(const Words& words);
    void info(const Words& words);
    void insert(const Words& words);
    void move(const Words& words);
    void store(const Words& words);
    void storehex(const Words& words);
    void show(const Words& words);
    void remove(const Words& words);
    void list(const Words& words);
    void free_list(const Words& words);
    void freelist_size(const Words& words);
    void check(const Words& words);
    void repack(const Words& words);
    void export_plain(const Words& words);
    void speed(const Words& words);
    void first(const Words& words);
    void next(const Words& words);
    void system(const Words& words);

    void use(Result<std::unique_ptr<tdb::FileDatabase>> opened, const std::string& path, std::string_view verb);
    void changed() { iterating_ = false; }
    void store_shown(std::string_view key, std::string_view value);
    // Prints the record, or that there is none; false then.
    bool show_record(std::string_view key);
    void show_next(Result<bool> found, Buffer& key);

    std::unique_ptr<tdb::FileDatabase> database_;
    bool no_locks_;
    bool iterating_ = false;  // since `first`, and nothing has been changed
    bool at_end_ = false;
    Buffer position_;  // the key that `first` or `next` showed last
};

// Five seconds of each kind of work, and what came of it.
void measure_speed(tdb::FileDatabase& database);
// The figures of `info`.
std::string describe(const tdb::Summary& summary);

}  // namespace Atoll::tools
