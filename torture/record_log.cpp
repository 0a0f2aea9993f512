// recordlog: writes numbered records into a file, each under a lock, reads them back, and says what became of them. For kernel clients
// whose servers are killed meanwhile; statically linked, so that it runs in a guest that has nothing.
//
//     recordlog FILE SECONDS [fsync]
//
// It writes for that long, or until there is a FILE.end. The last line is RECORDS written, `bad` ones (lost, duplicated or changed) and the
// errors of each call: "records 812 bad 0 fsync:EBADF=3". fsync's EBADF is counted apart by its name, as every other error is. A call that
// fails is made again, on the file opened anew. Standard error has a line for each error, with the time.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "torture/record.h"

namespace {

using Atoll::torture::Record;

class Log {
 public:
    Log(std::string path, bool syncs) : path_(std::move(path)), syncs_(syncs) {}
    ~Log() {
        if (fd_ >= 0) ::close(fd_);
    }

    // False: an error, which is counted.
    bool open(int flags) {
        if (fd_ >= 0 && ::close(fd_) != 0) note("close");
        fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | flags, 0666);
        return fd_ >= 0 || note("open");
    }

    bool write(uint64_t number) {
        current_ = number;
        const Record record = Record::of(number);
        const auto at = static_cast<off_t>(number * sizeof record);
        if (!lock(F_WRLCK, at)) return note("lock");
        const ssize_t n = ::pwrite(fd_, &record, sizeof record, at);
        if (n >= 0) errno = 0;  // a short write leaves what an earlier call has left
        bool written = n == sizeof record || note("write");
        if (written && syncs_) written = ::fsync(fd_) == 0 || note("fsync");
        if (!lock(F_UNLCK, at)) note("unlock");
        return written;
    }

    // Those from `first` on, without `end`, that are not there or not what they were. Nothing is known of one that cannot be read.
    uint64_t count_bad(uint64_t first, uint64_t end) {
        uint64_t bad = 0;
        for (uint64_t number = first; number < end; number++) {
            current_ = number;
            Record record;
            ssize_t n = -1;
            for (int attempt = 0; attempt < 10 && n < 0; attempt++) {
                n = ::pread(fd_, &record, sizeof record, static_cast<off_t>(number * sizeof record));
                if (n < 0 && !note("read") && !open(0)) ::usleep(100'000);
            }
            if (n != sizeof record || !record.is(number)) {
                bad++;
                std::printf("recordlog: record %llu: %zd bytes, number %llu\n", static_cast<unsigned long long>(number), n,
                            static_cast<unsigned long long>(record.number));
            }
        }
        return bad;
    }

    [[nodiscard]] std::string errors() const {
        std::string text;
        for (const auto& [what, count] : errors_) text += " " + what + "=" + std::to_string(count);
        return text;
    }

 private:
    bool lock(short type, off_t at) {
        struct flock range {};
        range.l_type = type;
        range.l_whence = SEEK_SET;
        range.l_start = at;
        range.l_len = sizeof(Record);
        return ::fcntl(fd_, F_SETLKW, &range) == 0;
    }
    bool note(const char* call) {
        const char* const name = errno == 0 ? "SHORT" : ::strerrorname_np(errno);
        const std::chrono::duration<double> now =
            std::chrono::steady_clock::now().time_since_epoch();  // as the kernel's trace clock `mono`
        std::fprintf(stderr, "recordlog: %.6f %s %s %s, record %llu\n", now.count(), path_.c_str(), call, name,
                     static_cast<unsigned long long>(current_));
        errors_[std::string(call) + ":" + name]++;
        return false;
    }

    std::string path_;
    bool syncs_;
    int fd_ = -1;
    uint64_t current_ = 0;
    std::map<std::string, unsigned> errors_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: recordlog FILE SECONDS [fsync]\n");
        return 2;
    }
    constexpr uint64_t batch = 50;
    constexpr int most_openings = 20;
    Log log(argv[1], argc > 3 && std::strcmp(argv[3], "fsync") == 0);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(argv[2]));
    for (int attempt = 0; !log.open(O_CREAT | O_TRUNC); attempt++) {
        if (attempt == most_openings) return 1;
        ::usleep(100'000);
    }
    const std::string told_to_end = std::string(argv[1]) + ".end";
    uint64_t number = 0, bad = 0;
    bool over = false;
    while (!over && std::chrono::steady_clock::now() < end) {
        if (!log.write(number)) {
            if (!log.open(0)) ::usleep(100'000);
            continue;
        }
        number++;
        if (number % batch != 0) continue;
        bad += log.count_bad(number - batch, number);
        over = ::access(told_to_end.c_str(), F_OK) == 0;
    }
    // Through an open of its own, which sees what the server has.
    if (!log.open(0) && !log.open(0)) return 1;
    bad += log.count_bad(0, number);
    std::printf("records %llu bad %llu%s\n", static_cast<unsigned long long>(number), static_cast<unsigned long long>(bad),
                log.errors().c_str());
    return 0;
}
