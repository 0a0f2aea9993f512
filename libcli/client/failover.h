// A share whose files stay open while connections, server processes and servers come and go (MS-SMB2 3.2.4.4, 3.2.7.1).
//
// When the connection is lost whoever waits connects again, to the next address if this one does not answer, logs on in place of the
// session that was (PreviousSessionId), connects to the share, takes back every file with its lease, and sends again what has not been
// answered: a WRITE as a replay under the next channel sequence number, a LOCK with its sequence numbers, a CREATE with its create GUID.
// The caller's call takes longer, that is all. What cannot be had back is said by name: FailoverFile::lost().
//
// A server that goes without a word is missed once an answer has not come for `answer_timeout`: of a request, or, where the server has said that
// one may take long (an interim response), of the ECHO that is then sent each time so much has passed (2.2.28).
//
// Everything is on the loop's thread, and nothing here may be called from a handler of the loop, for it runs the loop. Many operations may
// be under way at once; they go on while any of them is waited for.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libcli/client/file.h"
#include "libcli/client/lock_buckets.h"

namespace Atoll::client {

class FailoverFile;
class FailoverShare;

struct FailoverOptions {
    struct Address {
        std::string host;
        uint16_t port = 445;
    };
    std::vector<Address> addresses;  // of one server; at least one. A new connection goes to the last good one first
    std::string share;               // \\server\share
    auth::Credentials credentials;
    NegotiateOptions negotiate;
    LogOnOptions log_on;
    std::chrono::milliseconds patience = std::chrono::seconds(60);        // without a connection; then operations end with its error
    std::chrono::milliseconds answer_timeout = std::chrono::seconds(60);  // for which a server may be silent; the connection is then given up
    std::function<void(Connection&)> on_connected;                        // each new connection, before anything is sent on it
};

// How a file is opened. On a continuously available share the open is persistent; else it is durable (which takes a lease or batch oplock
// that nobody breaks), and resilient if that is asked for (which takes neither).
struct FailoverOpen {
    uint32_t access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    uint32_t attributes = 0;
    uint32_t share = smb::file_share::all;
    smb::CreateDisposition disposition = smb::CreateDisposition::open_if;
    uint32_t options = 0;
    uint32_t lease = 0;  // smb::lease_state bits; 0: a batch oplock in place of a lease, and in dialect 2.0.2
    bool resilient = false;
    uint32_t timeout_ms = 0;  // for which the server is to keep the open; 0: as it likes, and a minute for resilient ones
};

// One request about a file, from its start to its answer.
class FailoverOperation {
 public:
    [[nodiscard]] bool done() const { return done_; }
    [[nodiscard]] NtStatus status() const { return done_ ? status_ : NtStatus::PENDING; }
    // How often it was sent again.
    [[nodiscard]] unsigned replays() const { return replays_; }
    // The response's body as T, or the status if that is an error. T's views live as long as this object.
    template <class T>
    [[nodiscard]] Result<T, NtStatus> decode() const {
        ATOLL_ASSERT(done_);
        if (is_error(status_) || !exchange_) return status_;
        return T::decode(exchange_->message());
    }

 private:
    friend class FailoverShare;
    friend class FailoverFile;

    smb::Command command{};
    std::shared_ptr<FailoverFile> file_;
    std::function<void(ByteWriter&, const smb::FileId&)> body_;
    uint32_t payload_ = 0;
    LockSequence lock_;
    ExchangePtr exchange_;  // null: to be sent
    Monotonic not_before_{};
    Monotonic sent_at_{};
    unsigned replays_ = 0;
    bool done_ = false;
    NtStatus status_{};
};

using FailoverOperationPtr = std::shared_ptr<FailoverOperation>;

// Lives no longer than its share.
class FailoverFile : public std::enable_shared_from_this<FailoverFile> {
 public:
    [[nodiscard]] const smb::FileId& id() const { return id_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool persistent() const { return persistent_; }
    [[nodiscard]] bool durable() const { return durable_ || resilient_; }
    [[nodiscard]] uint32_t lease_state() const { return how_.contexts.lease ? how_.contexts.lease->state : 0; }
    // SUCCESS, or why the open could not be had back after a reconnect. Its operations then give FILE_CLOSED.
    [[nodiscard]] NtStatus lost() const { return lost_; }

    FailoverOperationPtr start_read(uint64_t offset, uint32_t length);
    // The data are kept until the operation is done. At most the server's max write size.
    FailoverOperationPtr start_write(uint64_t offset, Bytes data, uint32_t flags = 0);
    FailoverOperationPtr start_lock(std::vector<smb::LockElement> elements);
    FailoverOperationPtr start_flush();
    FailoverOperationPtr start_set_info(uint8_t info_class, Bytes information);

    // The blocking calls, as those of File.
    NtStatus read(uint64_t offset, uint32_t length, Buffer& out);
    Result<uint32_t, NtStatus> write(uint64_t offset, Bytes data, uint32_t flags = 0);
    NtStatus lock(uint64_t offset, uint64_t length, uint32_t flags);
    NtStatus unlock(uint64_t offset, uint64_t length) { return lock(offset, length, smb::lock_flags::unlock); }
    NtStatus flush();
    NtStatus close();

 private:
    friend class FailoverShare;
    explicit FailoverFile(FailoverShare& share) : share_(share) {}
    FailoverOperationPtr start(smb::Command command, uint32_t payload, std::function<void(ByteWriter&, const smb::FileId&)> body);

    FailoverShare& share_;
    std::string name_;
    OpenOptions how_;  // as it was asked for; its lease is as it is now
    smb::FileId id_;
    bool durable_ = false, persistent_ = false, resilient_ = false;
    bool closed_ = false;
    NtStatus lost_ = NtStatus::SUCCESS;
    LockBuckets buckets_;
};

class FailoverShare {
 public:
    // Does not connect yet.
    FailoverShare(loop::Loop& loop, FailoverOptions options);
    ~FailoverShare();
    FailoverShare(const FailoverShare&) = delete;
    FailoverShare& operator=(const FailoverShare&) = delete;

    // Connects, logs on and takes back what is open, unless the connection lives. Tried again for `patience`.
    NtStatus connect();
    // A CREATE whose answer was lost is sent again. On a continuously available share the server knows it again. On others it does not
    // (MS-SMB2 3.3.5.9): what it opened is left behind, with a lease that breaks at once, and disposition `create` may meet its own file.
    Result<std::shared_ptr<FailoverFile>, NtStatus> open(std::string_view name, const FailoverOpen& how = {});

    NtStatus wait(const FailoverOperationPtr& operation);
    // Until nothing is under way. The first error, or SUCCESS.
    NtStatus wait_for_all();

    [[nodiscard]] bool connected() const { return tree_ != nullptr && connection_->alive(); }
    [[nodiscard]] unsigned reconnects() const { return reconnects_; }
    [[nodiscard]] Connection* connection() { return connection_.get(); }
    loop::Loop& loop() { return loop_; }

 private:
    friend class FailoverFile;

    NtStatus connect_once();
    NtStatus dial();
    NtStatus take_back_files();
    NtStatus take_back(FailoverFile& file);
    void drop_connection();

    [[nodiscard]] OpenOptions first_request(const FailoverOpen& how) const;
    NtStatus create(FailoverFile& file, const OpenOptions& request, uint32_t flags);
    NtStatus open_once(const std::shared_ptr<FailoverFile>& file, const FailoverOpen& how, bool again);
    NtStatus make_resilient(FailoverFile& file, uint32_t timeout_ms);

    void add(const FailoverOperationPtr& operation);
    void send(FailoverOperation& operation);
    void send_waiting();
    void gather();
    void answered(FailoverOperation& operation);
    void probe(Monotonic now);
    void end(FailoverOperation& operation, NtStatus status);
    void end_all(NtStatus status);
    NtStatus step(const std::function<bool()>& enough);
    void broken(Bytes message);
    void pause(std::chrono::milliseconds time);
    [[nodiscard]] bool is_smb3() const;

    loop::Loop& loop_;
    FailoverOptions options_;
    size_t address_ = 0;
    uint16_t channel_sequence_ = 0;
    unsigned reconnects_ = 0;
    uint64_t session_id_ = 0;
    std::unique_ptr<Connection> connection_;
    std::unique_ptr<Session> session_;
    std::unique_ptr<Tree> tree_;
    ExchangePtr probe_;  // the last ECHO of this connection
    Monotonic probed_at_{};
    std::vector<std::shared_ptr<FailoverFile>> files_;  // that are open
    std::vector<FailoverOperationPtr> operations_;      // that are not done, in their order
};

}  // namespace Atoll::client
