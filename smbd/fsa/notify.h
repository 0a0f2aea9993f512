// Change notification (MS-FSA 2.1.4.1, 2.1.5.11): what a change is, and how a request waits for changes of a directory.
//
// Whoever changes a file in this room reports it: OpenFile::report, or Core::notifier (notifier.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/nt_status.h"

namespace Atoll::fsa {

// MS-FSCC 2.7.1
enum class NotifyAction : uint32_t {
    added = 1,
    removed = 2,
    modified = 3,
    renamed_old_name = 4,
    renamed_new_name = 5,
    added_stream = 6,
    removed_stream = 7,
    modified_stream = 8,
};

// MS-SMB2 2.2.35, CompletionFilter
namespace notify_filter {
constexpr uint32_t file_name = 0x1, dir_name = 0x2, attributes = 0x4, size = 0x8, last_write = 0x10, last_access = 0x20, creation = 0x40,
                   ea = 0x80, security = 0x100, stream_name = 0x200, stream_size = 0x400, stream_write = 0x800;
constexpr uint32_t all = 0xFFF;
// What is another file under the same name has changed in (MS-FSA 2.1.5.15.7, 2.1.5.15.12).
constexpr uint32_t other_file = attributes | size | last_write | last_access | creation | security | ea;
}  // namespace notify_filter

// Changes in the order in which they happened.
class NotifyEvents {
 public:
    struct Event {
        NotifyAction action;
        std::string_view name;  // UTF-8, relative to the watched directory, '/' between components
    };
    // A name that is no UTF-8 cannot be told to a client, and is left out.
    void add(NotifyAction action, std::string_view name);
    void clear();
    [[nodiscard]] size_t size() const { return entries_.size(); }
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    [[nodiscard]] Event operator[](size_t i) const {
        return {entries_[i].action, std::string_view(names_).substr(entries_[i].at, entries_[i].length)};
    }
    // Bytes as a list of FILE_NOTIFY_INFORMATION (MS-FSCC 2.7.1), the last entry without padding.
    [[nodiscard]] size_t wire_size() const { return wire_size_; }
    // The same with one more.
    [[nodiscard]] size_t wire_size_with(std::string_view name) const;

 private:
    struct Entry {
        NotifyAction action;
        size_t at, length;
    };
    std::vector<Entry> entries_;
    std::string names_;
    size_t wire_size_ = 0;
};

// A request that waits for changes of a directory (Open::wait_for_changes). From PENDING until changed() it is in the Open's hands; the
// Open's close completes it (STATUS_NOTIFY_CLEANUP).
class NotifyWait {
 public:
    uint32_t room = 0;    // bytes of FILE_NOTIFY_INFORMATION that the client takes
    bool tree = false;    // of the first request of an Open; later ones' do not count (MS-SMB2 3.3.1.3)
    uint32_t filter = 0;  // the same

    // SUCCESS: `events` happened, and fit. NOTIFY_ENUM_DIR: something happened that does not fit. DELETE_PENDING, NOTIFY_CLEANUP.
    // On the loop, or from within close() of the Open.
    virtual void changed(NtStatus status, const NotifyEvents& events) = 0;
    // From now on changes that are made locally are seen too; on the loop. Not called if that was so from the beginning.
    virtual void watching() = 0;

 protected:
    ~NotifyWait() = default;

 private:
    friend class NotifyWatches;
    NotifyWait* next_ = nullptr;
};

}  // namespace Atoll::fsa
