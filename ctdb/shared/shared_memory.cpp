#include "ctdb/shared/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

constexpr uint64_t magic_number = 0x3143544C4F5441;  // "ATOLTC1"
constexpr uint32_t layout_number = 3;
constexpr size_t page = 4096;

}  // namespace

// The part up to and with the lease is the same in each layout, so that a later ctdbd can end the lease of an earlier one.
struct SharedMemory::Layout {
    uint64_t magic;
    uint32_t format;
    uint32_t slots;
    Shared<uint64_t> incarnation;
    NodeLease lease;
    std::array<SlotGate, protocol::SLOTS> gates;
    Shared<uint32_t> level;
    alignas(page) std::array<ProcessPlace, limits::max_record_clients> places;  // a process maps the pages before them read-only
};

SharedMemory::~SharedMemory() {
    if (memory_ != nullptr) ::munmap(memory_, sizeof *memory_);
}

Result<SharedMemory> SharedMemory::map(const std::string& path, bool writes) {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd) return errno == ENOENT ? fail(Code::not_found, path, "there is none") : fail_errno(errno, path, "cannot open");
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || info.st_size != static_cast<off_t>(sizeof(Layout)))
        return fail(Code::unsupported, path, "is not of this program's format");
    void* const at = ::mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) return fail_errno(errno, path, "cannot map");
    SharedMemory memory(static_cast<Layout*>(at));
    const Layout& layout = *memory.memory_;
    if (layout.magic != magic_number || layout.format != layout_number || layout.slots != protocol::SLOTS)
        return fail(Code::unsupported, path, "is not of this program's format");
    if (!writes && ::mprotect(at, offsetof(Layout, places), PROT_READ) != 0) return fail_errno(errno, path, "cannot protect");
    return memory;
}

Result<SharedMemory> SharedMemory::attach(const std::string& path) { return map(path, false); }
Result<SharedMemory> SharedMemory::take_over(const std::string& path) { return map(path, true); }

namespace {

// Of a file whose format may be another.
void end_lease_of(const std::string& path, size_t lease_at) {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    uint64_t magic = 0;
    if (!fd || ::pread(fd.get(), &magic, sizeof magic, 0) != sizeof magic || magic != magic_number) return;
    const NodeLease none;
    (void)!::pwrite(fd.get(), &none, sizeof none, static_cast<off_t>(lease_at));
}

}  // namespace

Result<SharedMemory> SharedMemory::create(const std::string& path, uint64_t incarnation) {
    end_lease_of(path, offsetof(Layout, lease));
    auto mapped = map(path, true);
    if (!mapped) {
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, path, "cannot remove");
        const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd) return fail_errno(errno, path, "cannot make");
        // With room on the disk, so that no page of it can be missing later.
        if (const int error = ::posix_fallocate(fd.get(), 0, sizeof(Layout)); error != 0) return fail_errno(error, path, "cannot make");
        const struct {
            uint64_t magic = magic_number;
            uint32_t format = layout_number, slots = protocol::SLOTS;
        } head;
        if (::pwrite(fd.get(), &head, sizeof head, 0) != sizeof head) return fail_errno(errno, path, "cannot write");
        mapped = map(path, true);
        if (!mapped) return mapped;
    }
    mapped->memory_->incarnation = incarnation;
    mapped->lease() = NodeLease();
    mapped->level() = idl::first_level;
    for (SlotGate& gate : mapped->gates()) gate = SlotGate();
    for (ProcessPlace& place : mapped->places()) {
        if (place.pid != 0) place = ProcessPlace();
    }
    return mapped;
}

uint64_t SharedMemory::incarnation() const { return memory_->incarnation; }
NodeLease& SharedMemory::lease() const { return memory_->lease; }
Shared<uint32_t>& SharedMemory::level() const { return memory_->level; }
std::span<SlotGate> SharedMemory::gates() const { return memory_->gates; }
std::span<ProcessPlace> SharedMemory::places() const { return memory_->places; }

}  // namespace Atoll::ctdb
