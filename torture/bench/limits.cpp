#include "torture/bench/limits.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "libcli/smb/sealing.h"
#include "libcli/smb/signing.h"

namespace Atoll::bench {

namespace {

using Clock = std::chrono::steady_clock;
constexpr double budget = 0.5;  // seconds for each measurement
constexpr size_t megabyte = 1 << 20;

// Calls `step(i)` until the budget is used and returns calls per second; a failed step ends it.
template <class Step>
double rate(Step step) {
    const auto begin = Clock::now();
    size_t done = 0;
    double elapsed = 0;
    do {
        for (int i = 0; i < 16; i++, done++) {
            if (!step(done)) return 0;
        }
        elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    } while (elapsed < budget);
    return static_cast<double>(done) / elapsed;
}

Result<std::pair<UniqueFd, UniqueFd>> loopback_pair() {
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(listener.get(), generic, size) != 0 || ::listen(listener.get(), 1) != 0 ||
        ::getsockname(listener.get(), generic, &size) != 0 || ::connect(client.get(), generic, size) != 0) {
        return fail_errno(errno, "smbbench", "loopback");
    }
    UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const int on = 1;
    for (const int fd : {client.get(), server.get()}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return std::pair(std::move(client), std::move(server));
}

Result<double> loopback_copy() {
    auto pair = loopback_pair();
    if (!pair) return pair.failure();
    std::thread sender([fd = pair->first.get()] {
        const std::vector<uint8_t> data(megabyte, 1);
        while (::send(fd, data.data(), data.size(), MSG_NOSIGNAL) > 0) {
        }
    });
    std::vector<uint8_t> data(megabyte);
    const double received = rate([&](size_t) { return ::recv(pair->second.get(), data.data(), data.size(), MSG_WAITALL) > 0; });
    ::shutdown(pair->second.get(), SHUT_RDWR);
    pair->second.reset();
    sender.join();
    return received * static_cast<double>(megabyte);
}

Result<double> round_trips() {
    auto pair = loopback_pair();
    if (!pair) return pair.failure();
    std::thread echo([fd = pair->first.get()] {
        char data[100];
        while (::recv(fd, data, sizeof data, MSG_WAITALL) == static_cast<ssize_t>(sizeof data) &&
               ::send(fd, data, sizeof data, MSG_NOSIGNAL) > 0) {
        }
    });
    char data[100] = {};
    const int fd = pair->second.get();
    const double trips =
        rate([&](size_t) { return ::send(fd, data, sizeof data, MSG_NOSIGNAL) > 0 && ::recv(fd, data, sizeof data, MSG_WAITALL) > 0; });
    ::shutdown(fd, SHUT_RDWR);
    echo.join();
    return trips;
}

void measure_crypto(Limits& limits) {
    std::vector<uint8_t> data(megabyte, 7);
    const std::vector<uint8_t> key(16, 3);
    smb::Header header;
    Buffer message(smb::header_size);
    ByteWriter writer(message);
    header.encode(writer);
    for (const auto& [algorithm, out] :
         {std::pair{smb::SigningAlgorithm::aes_gmac, &limits.gmac_bytes}, std::pair{smb::SigningAlgorithm::aes_cmac, &limits.cmac_bytes}}) {
        const smb::Signer signer(algorithm, key);
        const Bytes rest[] = {data};
        *out = static_cast<double>(megabyte) * rate([&](size_t) {
                   signer.sign(message.mutable_bytes(), rest);
                   return true;
               });
    }
    const smb::Sealer sealer(smb::Cipher::aes128_gcm, key, 1);
    std::array<uint8_t, smb::TransformHeader::size> transform{};
    const MutableBytes parts[] = {data};
    limits.gcm_bytes = static_cast<double>(megabyte) * rate([&](size_t) {
                           sealer.seal(transform, parts);
                           return true;
                       });
}

void measure_names(Limits& limits, const std::string& directory, size_t files) {
    const auto path = [&](const char* prefix, size_t i) { return fmt::format("{}/{}{}", directory, prefix, i); };
    char value[256];
    limits.opens = rate([&](size_t i) {
        const UniqueFd fd(::open(path("f", i % files).c_str(), O_RDONLY | O_CLOEXEC));
        struct stat st {};
        if (!fd || ::fstat(fd.get(), &st) != 0) return false;
        (void)::fgetxattr(fd.get(), "user.DOSATTRIB", value, sizeof value);
        (void)::fgetxattr(fd.get(), "security.NTACL", value, sizeof value);
        return true;
    });
    limits.stats = rate([&](size_t i) {
        struct stat st {};
        return ::stat(path("f", i % files).c_str(), &st) == 0;
    });
    size_t made = 0;
    limits.creates = rate([&](size_t i) {
        const UniqueFd fd(::open(path("limit", i).c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644));
        made = i + 1;
        return fd.valid() && ::fsetxattr(fd.get(), "user.DOSATTRIB", value, 64, 0) == 0 &&
               ::fsetxattr(fd.get(), "user.NTACL", value, 200, 0) == 0;
    });
    const auto begin = Clock::now();
    for (size_t i = 0; i < made; i++) ::unlink(path("limit", i).c_str());
    limits.deletes = static_cast<double>(made) / std::chrono::duration<double>(Clock::now() - begin).count();
}

double list_once(const std::string& directory) {
    DIR* handle = ::opendir(directory.c_str());
    if (handle == nullptr) return 0;
    const auto begin = Clock::now();
    size_t entries = 0;
    while (const dirent* entry = ::readdir(handle)) {
        struct stat st {};
        if (::fstatat(::dirfd(handle), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) entries++;
    }
    ::closedir(handle);
    return static_cast<double>(entries) / std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

Result<Limits> measure_limits(const std::string& directory, size_t files, uint64_t file_size) {
    Limits limits;
    const auto copied = loopback_copy();
    if (!copied) return copied.failure();
    limits.loopback_bytes = *copied;
    const auto trips = round_trips();
    if (!trips) return trips.failure();
    limits.loopback_round_trips = *trips;
    measure_crypto(limits);
    const UniqueFd data(::open((directory + "/data").c_str(), O_RDWR | O_CLOEXEC));
    if (!data) return fail_errno(errno, directory + "/data", "open");
    std::vector<uint8_t> block(4096, 1);
    uint64_t state = 88172645463325252;
    const auto place = [&] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return static_cast<off_t>(state % (file_size / 4096) * 4096);
    };
    limits.reads = rate([&](size_t) { return ::pread(data.get(), block.data(), block.size(), place()) > 0; });
    limits.writes = rate([&](size_t) { return ::pwrite(data.get(), block.data(), block.size(), place()) > 0; });
    measure_names(limits, directory, files);
    limits.entries = list_once(directory);
    return limits;
}

std::string to_json(const Limits& limits) {
    return fmt::format(
        R"({{"loopback_bytes":{:.0f},"loopback_round_trips":{:.0f},"gcm_bytes":{:.0f},"gmac_bytes":{:.0f},"cmac_bytes":{:.0f},"reads":{:.0f},"writes":{:.0f},)"
        R"("opens":{:.0f},"stats":{:.0f},"creates":{:.0f},"deletes":{:.0f},"entries":{:.0f}}})",
        limits.loopback_bytes, limits.loopback_round_trips, limits.gcm_bytes, limits.gmac_bytes, limits.cmac_bytes, limits.reads,
        limits.writes, limits.opens, limits.stats, limits.creates, limits.deletes, limits.entries);
}

}  // namespace Atoll::bench
