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
#include <utility>

#include "base/log.h"
#include "base/loop/identity.h"
#include "tdb/messaging/message_format.h"

namespace Atoll::messaging {

namespace {

constexpr int send_buffer = 2 * (1 << 20);  // bytes: several datagrams of max_message_inline in each receiver's queue
constexpr int large_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

// A server id's text form, without allocating.
class Name {
 public:
    explicit Name(const ServerId& id) { text_[write_text(id, text_)] = 0; }
    [[nodiscard]] const char* text() const { return text_; }

 private:
    char text_[ServerId::max_text + 1];
};

UniqueFd make_socket() {
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket) (void)setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    return socket;
}

// The address of a mailbox. The way over /proc keeps it short however long the lock directory's path is.
sockaddr_un address_of(int directory, const ServerId& id) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const Name name(id);
    const auto end = fmt::format_to_n(address.sun_path, sizeof address.sun_path, "/proc/self/fd/{}/{}", directory, name.text());
    ATOLL_ASSERT(end.size < sizeof address.sun_path);
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
    if (fcntl(fd.get(), F_ADD_SEALS, large_seals) != 0) {
        return fail_errno(errno, "memfd", "cannot seal a large message");
    }
    return fd;
}

// Only from a memfd that nobody can change any more: reading anything else might block, or end in the middle.
bool read_large(int fd, size_t length, Buffer& out) {
    struct stat st;
    if (fcntl(fd, F_GET_SEALS) != large_seals || fstat(fd, &st) != 0 || st.st_size != static_cast<off_t>(length)) return false;
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
    UniqueFd socket = make_socket();
    if (!socket) return fail_errno(errno, lock_directory + "/msg.sock", "cannot make a socket");
    const sockaddr_un address = address_of(directory->get(), self);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail_errno(errno, lock_directory + "/msg.sock", "cannot bind a socket");
    }
    return MessageSocket(std::move(directory).value(), std::move(socket), self);
}

MessageSocket::MessageSocket(UniqueFd directory, UniqueFd socket, ServerId self)
    : directory_(std::move(directory)),
      socket_(std::move(socket)),
      self_(self),
      received_(MessageHeader::size + limits::max_message_inline) {
    received_.resize(MessageHeader::size + limits::max_message_inline);
}

MessageSocket::MessageSocket(MessageSocket&&) noexcept = default;

MessageSocket::~MessageSocket() {
    if (socket_ && self_.pid == static_cast<uint64_t>(getpid())) forget(self_);
}

void MessageSocket::forget(const ServerId& id) const {
    const loop::RootScope root;  // the directory is root's alone
    (void)unlinkat(directory_.get(), Name(id).text(), 0);
}

// The entry of a process; a new one takes the place of that which was used longest ago.
MessageSocket::Peer& MessageSocket::find_peer(const ServerId& id) {
    Peer* oldest = peers_.data();
    for (Peer& peer : peers_) {
        if (peer.used != 0 && peer.id == id) {
            peer.used = ++uses_;
            return peer;
        }
        if (peer.used < oldest->used) oldest = &peer;
    }
    oldest->id = id;
    oldest->socket.reset();
    oldest->used = 0;
    return *oldest;
}

bool MessageSocket::connect(Peer& peer) const {
    UniqueFd socket = make_socket();
    if (!socket) return false;
    const sockaddr_un address = address_of(directory_.get(), peer.id);
    const loop::RootScope root;  // the directory is root's alone
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
    peer.socket = std::move(socket);
    return true;
}

// False with errno set. The first message to a process goes to its address: a broadcast connects nothing.
bool MessageSocket::transmit(Peer& peer, msghdr& message) const {
    const bool first = peer.used == 0;
    if (peer.socket || (!first && connect(peer))) return sendmsg(peer.socket.get(), &message, MSG_NOSIGNAL) >= 0;
    sockaddr_un address = address_of(directory_.get(), peer.id);
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    const loop::RootScope root;  // the directory is root's alone
    return sendmsg(socket_.get(), &message, MSG_NOSIGNAL) >= 0;
}

Result<void> MessageSocket::send(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors) {
    if (payload.size() > limits::max_message || descriptors.size() > limits::max_message_descriptors) {
        return fail(Code::invalid, to_string(to), "the message is too large");
    }
    MessageHeader header{type, 0, payload.size(), self_};
    int fds[Control::most];
    std::copy(descriptors.begin(), descriptors.end(), fds);
    size_t fd_count = descriptors.size();
    UniqueFd large;
    if (payload.size() > limits::max_message_inline) {
        auto made = make_large(payload);
        if (!made) return made.failure();
        large = std::move(made).value();
        header.flags |= MessageHeader::flag_large;
        fds[fd_count++] = large.get();
        payload = {};
    }
    uint8_t head[MessageHeader::size];
    header.encode(head);
    iovec parts[2] = {{head, sizeof head}, {const_cast<uint8_t*>(payload.data()), payload.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    Control control;
    attach(message, control, {fds, fd_count});
    Peer& peer = find_peer(to);
    if (transmit(peer, message)) {
        peer.used = ++uses_;
        return {};
    }
    if (errno == EAGAIN) return fail(Code::busy, to_string(to), "its message queue is full");
    const int error = errno;
    peer = Peer{};
    switch (error) {
        case ECONNREFUSED:
        case ENOTCONN:
        case EPIPE: forget(to); [[fallthrough]];
        case ENOENT: return fail(Code::dead, to_string(to), "no such process");
        default: return fail_errno(error, to_string(to), "cannot send a message");
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
        const auto header = parse_datagram(datagram, message.descriptors.size());
        if (!header || (raw.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
            log_warning("messages: dropped {} bytes that are no message", n);
            continue;
        }
        message.from = header->from;
        message.type = header->type;
        message.payload = datagram.subspan(MessageHeader::size);
        if (header->is_large()) {
            if (!read_large(message.descriptors.back().get(), header->length, large_)) {
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
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    if (errno == ENOENT) return !has_own_name();
    return errno != ECONNREFUSED;
}

// Without it somebody has emptied the directory, or removed it: then a name that is not there says nothing about its process.
bool MessageSocket::has_own_name() const {
    if (faccessat(directory_.get(), Name(self_).text(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return true;
    static bool told = false;
    if (!std::exchange(told, true))
        log_error("msg.sock of the lock directory has been removed or emptied: processes cannot be told from dead ones. Restart the server");
    return false;
}

}  // namespace Atoll::messaging
