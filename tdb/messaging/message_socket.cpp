#include "tdb/messaging/message_socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop/identity.h"

namespace Atoll::messaging {

namespace {

// What stands before the payload of each datagram. Sender and receiver are always of one build on one node, but a server that is being
// upgraded may meet a process of its former version: the magic number changes with the format.
struct Header {
    static constexpr uint32_t magic_number = 0x314D5441;  // "ATM1"
    static constexpr size_t size = 40;
    static constexpr uint32_t flag_large = 1;  // the payload is in a memfd, the last descriptor

    uint32_t type = 0;
    uint32_t flags = 0;
    uint64_t length = 0;  // of the payload
    ServerId from;
};

void encode(const Header& header, uint8_t* out) {
    store_le(out, Header::magic_number);
    store_le(out + 4, header.type);
    store_le(out + 8, header.flags);
    store_le(out + 12, header.from.node);
    store_le(out + 16, header.from.pid);
    store_le(out + 24, header.from.unique_id);
    store_le(out + 32, header.length);
}

std::optional<Header> decode(Bytes datagram) {
    if (datagram.size() < Header::size || load_le<uint32_t>(datagram.data()) != Header::magic_number) return std::nullopt;
    Header header;
    header.type = load_le<uint32_t>(datagram.data() + 4);
    header.flags = load_le<uint32_t>(datagram.data() + 8);
    header.from.node = load_le<uint32_t>(datagram.data() + 12);
    header.from.pid = load_le<uint64_t>(datagram.data() + 16);
    header.from.unique_id = load_le<uint64_t>(datagram.data() + 24);
    header.length = load_le<uint64_t>(datagram.data() + 32);
    return header;
}

// The address of a mailbox. The way over /proc keeps it short however long the lock directory's path is.
sockaddr_un address_of(int directory, const ServerId& id) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, to_string(id));
    ATOLL_ASSERT(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Result<UniqueFd> make_large(Bytes payload) {
    UniqueFd fd(memfd_create("atoll-message", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return fail_errno(errno, "memfd_create", "cannot send a large message");
    for (size_t done = 0; done < payload.size();) {
        const ssize_t n = write(fd.get(), payload.data() + done, payload.size() - done);
        if (n <= 0) return fail_errno(errno, "memfd", "cannot write a large message");
        done += static_cast<size_t>(n);
    }
    if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        return fail_errno(errno, "memfd", "cannot seal a large message");
    }
    return fd;
}

bool read_large(int fd, size_t length, Buffer& out) {
    struct stat st;
    if (length > limits::max_message || fstat(fd, &st) != 0 || st.st_size != static_cast<off_t>(length)) return false;
    out.resize(length);
    for (size_t done = 0; done < length;) {
        const ssize_t n = pread(fd, out.data() + done, length - done, static_cast<off_t>(done));
        if (n <= 0) return false;
        done += static_cast<size_t>(n);
    }
    return true;
}

struct Control {
    static constexpr size_t most = limits::max_message_descriptors + 1;  // one more for the memfd
    alignas(cmsghdr) char bytes[CMSG_SPACE(most * sizeof(int))];
};

void attach(msghdr& message, Control& control, std::span<const int> fds) {
    if (fds.empty()) return;
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
}

std::vector<UniqueFd> detach(msghdr& message) {
    std::vector<UniqueFd> fds;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

Result<UniqueFd> open_directory(const std::string& lock_directory) {
    const std::string path = lock_directory + "/msg.sock";
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, path, "cannot make the directory");
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return fail_errno(errno, path, "cannot open the directory");
    struct stat st;
    if (fstat(fd.get(), &st) != 0) return fail_errno(errno, path, "cannot examine the directory");
    if (st.st_uid != geteuid()) return fail(Code::denied, path, "belongs to another user");
    if ((st.st_mode & 077) != 0 && fchmod(fd.get(), 0700) != 0) return fail_errno(errno, path, "cannot take away others' access");
    return fd;
}

}  // namespace

Result<MessageSocket> MessageSocket::open(const std::string& lock_directory, ProcessClass process_class) {
    return open(lock_directory, ServerId::make(process_class));
}

Result<MessageSocket> MessageSocket::open(const std::string& lock_directory, const ServerId& self) {
    const loop::RootScope root;  // the directory is root's alone
    auto directory = open_directory(lock_directory);
    if (!directory) return directory.failure();
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return fail_errno(errno, lock_directory + "/msg.sock", "cannot make a socket");
    const int send_buffer = 2 * (1 << 20);  // several datagrams of max_message_inline in each receiver's queue
    (void)setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    const sockaddr_un address = address_of(directory->get(), self);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail_errno(errno, lock_directory + "/msg.sock", "cannot bind a socket");
    }
    return MessageSocket(std::move(directory).value(), std::move(socket), self);
}

MessageSocket::MessageSocket(UniqueFd directory, UniqueFd socket, ServerId self)
    : directory_(std::move(directory)), socket_(std::move(socket)), self_(self), received_(Header::size + limits::max_message_inline) {
    received_.resize(Header::size + limits::max_message_inline);
}

MessageSocket::MessageSocket(MessageSocket&&) noexcept = default;

MessageSocket::~MessageSocket() {
    if (socket_ && self_.pid == static_cast<uint64_t>(getpid())) forget(self_);
}

void MessageSocket::forget(const ServerId& id) const {
    const loop::RootScope root;  // the directory is root's alone
    (void)unlinkat(directory_.get(), to_string(id).c_str(), 0);
}

Result<void> MessageSocket::send(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors) {
    if (payload.size() > limits::max_message || descriptors.size() > limits::max_message_descriptors) {
        return fail(Code::invalid, to_string(to), "the message is too large");
    }
    Header header{type, 0, payload.size(), self_};
    int fds[Control::most];
    std::copy(descriptors.begin(), descriptors.end(), fds);
    size_t fd_count = descriptors.size();
    UniqueFd large;
    if (payload.size() > limits::max_message_inline) {
        auto made = make_large(payload);
        if (!made) return made.failure();
        large = std::move(made).value();
        header.flags |= Header::flag_large;
        fds[fd_count++] = large.get();
        payload = {};
    }
    uint8_t head[Header::size];
    encode(header, head);
    sockaddr_un address = address_of(directory_.get(), to);
    iovec parts[2] = {{head, sizeof head}, {const_cast<uint8_t*>(payload.data()), payload.size()}};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    Control control;
    attach(message, control, {fds, fd_count});
    const loop::RootScope root;  // the directory is root's alone
    if (sendmsg(socket_.get(), &message, MSG_NOSIGNAL) >= 0) return {};
    switch (errno) {
        case EAGAIN: return fail(Code::busy, to_string(to), "its message queue is full");
        case ECONNREFUSED: forget(to); [[fallthrough]];
        case ENOENT: return fail(Code::dead, to_string(to), "no such process");
        default: return fail_errno(errno, to_string(to), "cannot send a message");
    }
}

std::optional<Message> MessageSocket::receive() {
    for (;;) {
        iovec part{received_.data(), received_.size()};
        Control control;
        msghdr raw{};
        raw.msg_iov = &part;
        raw.msg_iovlen = 1;
        raw.msg_control = control.bytes;
        raw.msg_controllen = sizeof control.bytes;
        const ssize_t n = recvmsg(socket_.get(), &raw, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return std::nullopt;
        Message message;
        message.descriptors = detach(raw);
        const Bytes datagram = received_.bytes().first(static_cast<size_t>(n));
        const auto header = decode(datagram);
        if (!header || (raw.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
            log_warning("messages: dropped {} bytes that are no message", n);
            continue;
        }
        message.from = header->from;
        message.type = header->type;
        message.payload = datagram.subspan(Header::size);
        if ((header->flags & Header::flag_large) != 0) {
            if (message.descriptors.empty() || !read_large(message.descriptors.back().get(), header->length, large_)) {
                log_warning("messages: dropped a large message of {}: cannot read it", to_string(message.from));
                continue;
            }
            message.descriptors.pop_back();
            message.payload = large_.bytes();
        }
        return message;
    }
}

std::vector<ServerId> MessageSocket::processes() const {
    std::vector<ServerId> found;
    const loop::RootScope root;  // the directory is root's alone
    DIR* listing = fdopendir(openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (listing == nullptr) return found;
    while (const dirent* entry = readdir(listing)) {
        if (const auto id = parse_server_id(entry->d_name)) found.push_back(*id);
    }
    closedir(listing);
    return found;
}

bool MessageSocket::exists(const ServerId& id) const {
    const UniqueFd probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!probe) return true;
    const sockaddr_un address = address_of(directory_.get(), id);
    const loop::RootScope root;  // the directory is root's alone
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    return errno != ENOENT && errno != ECONNREFUSED;
}

}  // namespace Atoll::messaging
