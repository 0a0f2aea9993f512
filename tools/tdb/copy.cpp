#include "tools/tdb/copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include "base/unique_fd.h"

namespace Atoll::tools {
namespace {

// A file that is being made, and removed again if it does not become one.
class Draft {
 public:
    explicit Draft(const std::string& target) : target_(target), path_(target + ".tmp") { ::unlink(path_.c_str()); }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() {
        if (!published_) ::unlink(path_.c_str());
    }
    [[nodiscard]] const std::string& path() const { return path_; }

    // Its bytes are on the disk; then its name is, too.
    Result<void> publish() {
        if (::rename(path_.c_str(), target_.c_str()) != 0) return fail_errno(errno, target_, "cannot replace the file");
        published_ = true;
        const size_t slash = target_.rfind('/');
        const std::string directory = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
        const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!fd || ::fsync(fd.get()) != 0) return fail_errno(errno, directory, "cannot sync the directory");
        return {};
    }

 private:
    std::string target_, path_;
    bool published_ = false;
};

Result<uint64_t> transfer(tdb::FileDatabase& from, tdb::FileDatabase& to) {
    Result<void> stored;
    auto seen = from.traverse([&](Bytes key, Bytes value) {
        stored = to.store(key, value, tdb::StoreMode::insert);
        return stored ? tdb::Visit::go_on : tdb::Visit::stop;
    });
    if (seen && !stored) return stored.failure();
    return seen;
}

Result<uint64_t> fill(tdb::FileDatabase& from, tdb::FileDatabase& to, bool locked) {
    if (auto begun = to.begin(); !begun) return begun.failure();
    std::optional<tdb::FileDatabase::WholeLock> lock;
    if (locked) {
        auto taken = from.lock_all(tdb::Intent::read);
        if (!taken) {
            to.cancel();
            return taken.failure();
        }
        lock.emplace(std::move(*taken));
    }
    auto copied = transfer(from, to);
    lock.reset();
    if (!copied) {
        to.cancel();
        return copied;
    }
    if (auto committed = to.commit(); !committed) return committed.failure();
    auto found = to.check();
    if (found && *found != *copied)
        return fail(Code::io, to.name(), fmt::format("{} records were written and {} are there", *copied, *found));
    return found;
}

}  // namespace

Result<uint64_t> copy_records(tdb::FileDatabase& from, const std::string& to, uint32_t hash_size, unsigned mode, bool locked) {
    Draft draft(to);
    uint64_t records = 0;
    {
        auto copy = tdb::FileDatabase::open(
            {.path = draft.path(), .hash = from.hash_kind(), .hash_size = hash_size != 0 ? hash_size : from.hash_size(), .mode = mode});
        if (!copy) return copy.failure();
        auto filled = fill(from, **copy, locked);
        if (!filled) return filled;
        records = *filled;
    }
    if (auto published = draft.publish(); !published) return published.failure();
    return records;
}

Result<uint64_t> copy_database(const std::string& from, const std::string& to, const CopyOptions& options) {
    struct stat st {};
    if (::stat(from.c_str(), &st) != 0) return fail_errno(errno, from, "cannot open the database");
    auto original = tdb::FileDatabase::open(
        {.path = from, .create = false, .read_only = options.read_only || options.no_locks, .no_locks = options.no_locks});
    if (!original) return original.failure();
    if (auto sound = (*original)->check(); !sound) return sound;
    return copy_records(**original, to, options.hash_size, st.st_mode & 07777, !options.no_locks);
}

}  // namespace Atoll::tools
