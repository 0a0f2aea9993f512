#include "tdb/committer/packet.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "base/unique_fd.h"

namespace Atoll::committer {

namespace {

struct Control {
    alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
};

UniqueFd in_memory(Bytes record) {
    UniqueFd file(::memfd_create("atoll-batch", MFD_CLOEXEC));
    for (size_t done = 0; file && done < record.size();) {
        const ssize_t n = ::write(file.get(), record.data() + done, record.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return UniqueFd();
        done += static_cast<size_t>(n);
    }
    return file;
}

// Reading what is no file might block.
bool read_file(int fd, Buffer& record) {
    struct stat st;
    if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > static_cast<off_t>(max_batch_bytes)) return false;
    record.resize(static_cast<size_t>(st.st_size));
    for (size_t done = 0; done < record.size();) {
        const ssize_t n = ::pread(fd, record.data() + done, record.size() - done, static_cast<off_t>(done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += static_cast<size_t>(n);
    }
    return true;
}

Sent send_message(int socket, const msghdr& message) {
    for (;;) {
        if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return Sent::sent;
        if (errno == EINTR) continue;
        return errno == EAGAIN ? Sent::full : Sent::ended;
    }
}

// The first of those that a packet carries; the others are closed.
UniqueFd take_descriptor(msghdr& message) {
    UniqueFd first;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            UniqueFd one(fd);
            if (!first) first = std::move(one);
        }
    }
    return first;
}

}  // namespace

Sent send_packet(int socket, Bytes record) {
    uint8_t mark = 0;
    iovec piece{const_cast<uint8_t*>(record.data()), record.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (record.size() <= limits::max_batch) return send_message(socket, message);
    const UniqueFd file = in_memory(record);
    if (!file) return Sent::ended;  // no memory, or no descriptor: who connects anew after a while may have one
    piece = {&mark, sizeof mark};
    Control control{};
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = file.get();
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return send_message(socket, message);
}

Received receive_packet(int socket, Buffer& record) {
    record.resize(limits::max_batch + 1);
    iovec piece{record.data(), record.size()};
    Control control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    ssize_t n = 0;
    do {
        n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return errno == EAGAIN ? Received::nothing : Received::ended;
    if (n == 0) return Received::ended;
    if (const UniqueFd file = take_descriptor(message)) return read_file(file.get(), record) ? Received::record : Received::nonsense;
    if (static_cast<size_t>(n) > limits::max_batch) return Received::nonsense;
    record.resize(static_cast<size_t>(n));
    return Received::record;
}

}  // namespace Atoll::committer
