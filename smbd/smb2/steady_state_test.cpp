// What a request costs on its whole way (docs/design.md, "The way of a request"): from the frame's arrival to the answer's departure, once
// warm, READ, WRITE, QUERY_INFO, CREATE and CLOSE allocate nothing: not in C++, not in OpenSSL, not on the pool's threads. But for
// HMAC-SHA256, which signs in 2.0.2 and 2.1: OpenSSL 3.0 copies two digest contexts for each HMAC, and has no other way to reuse a key.
//
// A whole server process but for authd, on one end of a socket pair; the test is the client on the other end.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/loop/identity.h"
#include "base/utf.h"
#include "libcli/smb/file_io.h"
#include "libcli/smb/fscc.h"
#include "libcli/smb/keys.h"
#include "libcli/smb/query.h"
#include "libcli/smb/sealing.h"
#include "libcli/smb/session.h"
#include "libcli/smb/signing.h"
#include "libcli/smb/tree.h"
#include "smbd/smb2/client_process.h"
#include "smbd/transport/transport.h"

#if !defined(ATOLL_SANITIZED)

namespace {
std::atomic<size_t> allocations{0};
}

// In place of libc's own, for everything in this process; what they hand out is libc's.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
    allocations++;
    return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
    allocations++;
    return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
    allocations++;
    return __libc_realloc(old, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
    allocations++;
    return __libc_memalign(alignment, size);
}
}

namespace Atoll::smb2 {
namespace {

using smb::Command;

struct Protection {
    const char* name;
    uint16_t dialect = 0x0311;
    smb::Cipher cipher = smb::Cipher::aes128_gcm;
    smb::SigningAlgorithm signing = smb::SigningAlgorithm::aes_gmac;
    bool sign = false;
    bool seal = false;
    size_t allocations = 0;  // for a request and its answer
};

class NobodyLogsOn final : public LogonVerifier {
    std::unique_ptr<Pending> verify(const auth::LogonProof&, const ChannelState&, Done) override { return nullptr; }
};

class SteadyState : public testing::TestWithParam<Protection> {
 protected:
    static constexpr uint64_t session_id = 77;
    static constexpr size_t large = 1 << 20;
    static constexpr std::chrono::seconds patience{10};
    static constexpr const char* file_name = "a file with a name that is longer than short strings are";

    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "atoll_steady_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        ASSERT_EQ(::chmod(pattern.c_str(), 0755), 0);
        std::filesystem::create_directory(directory_ / "share");
        std::ofstream(directory_ / "share" / file_name) << std::string(2 * large, 'x');
        for (const auto& path : {directory_ / "share", directory_ / "share" / file_name}) {
            ASSERT_EQ(::chown(path.c_str(), user(), user()), 0);
        }
        start_server();
        log_on();
    }
    void TearDown() override {
        client_.reset();
        process_->shutdown();
        loop_.run_until(monotonic_now() + std::chrono::seconds(5));
        process_.reset();
        loop::take_root();
        std::filesystem::remove_all(directory_);
    }

    // Not root, if it can be helped: the server then changes identities.
    static uint32_t user() { return ::geteuid() == 0 ? 65534 : ::geteuid(); }

    void start_server() {
        auto configuration = conf::load_text("[global]\nlock directory = " + directory_.string() +
                                             "\n[share]\nread only = no\npath = " + (directory_ / "share").string() + "\n");
        ASSERT_TRUE(configuration) << configuration.error().message();
        auto mailbox = messaging::MessageSocket::open(directory_, messaging::ProcessClass::client);
        ASSERT_TRUE(mailbox) << mailbox.error().message();
        messaging_ = messaging::make_local_messaging(loop_, std::move(*mailbox));
        auto databases = xsrv::open_databases(directory_);
        ASSERT_TRUE(databases) << databases.error().message();
        tables_ = xsrv::Tables::on(std::move(*databases), loop_, *messaging_);
        process_ = ClientProcess::create({loop_, pool_, *messaging_, *tables_, verifier_, *configuration, [this] { loop_.stop(); }});
    }

    [[nodiscard]] ChannelState channel() const {
        ChannelState channel;
        channel.dialect = GetParam().dialect;
        channel.cipher = static_cast<uint16_t>(GetParam().cipher);
        channel.signing_algorithm = static_cast<uint16_t>(GetParam().signing);
        channel.max_transact = channel.max_read = channel.max_write = 8u << 20;
        channel.peer_address = channel.local_address = "127.0.0.1";
        channel.next_message_id = next_message_id_;
        channel.credits = 512;
        return channel;
    }

    // The channel comes from preauth, with the SESSION_SETUP that authd has granted.
    void log_on() {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        client_.reset(ends[0]);
        LogonGrant grant;
        grant.session_id = session_id;
        grant.session_key.assign(16, 7);
        grant.token.uid = grant.token.gid = user();
        for (uint32_t rid = 1; rid < 10; rid++) {
            grant.token.group_sids.push_back(well_known::unix_groups.with_rid(rid));
            grant.token.gids.push_back(rid + 1000);
        }
        grant.token.user_name = "somebody with a longer name";
        grant.account_name = "somebody";
        begin(Command::session_setup, 1);
        smb::SessionSetupRequest{}.encode(*out_);
        const Bytes setup = frame_.bytes().subspan(body_at_);
        ASSERT_TRUE(process_->take_channel(UniqueFd(ends[1]), channel(), hash_, std::move(grant), setup, {}).ok());
        ASSERT_TRUE(receive(client_.get()));
        set_keys();
        Buffer path = *utf8_to_utf16le("\\\\server\\share");
        smb::TreeConnectRequest connect;
        connect.path = path;
        begin(Command::tree_connect, 1);
        connect.encode(*out_);
        ASSERT_EQ(call(), NtStatus::SUCCESS);
        tree_id_ = header_.tree_id;
        loop_.run_until(monotonic_now() + std::chrono::milliseconds(1));
    }

    void set_keys() {
        const auto dialect = static_cast<smb::Dialect>(GetParam().dialect);
        const auto keys = smb::derive_session_keys(dialect, GetParam().cipher,
                                                   std::array<uint8_t, 16>{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}, hash_);
        signer_.emplace(smb::signing_algorithm(dialect, GetParam().signing), keys.signing);
        if (!GetParam().seal) return;
        sealer_.emplace(GetParam().cipher, keys.client_to_server, session_id);
        opener_.emplace(GetParam().cipher, keys.server_to_client);
    }

    // --- One request: begin(), the body into *out_, then call().
    void begin(Command command, uint16_t charge) {
        frame_.clear();
        frame_.append_zeros(transport::header_size + (sealer_ ? smb::TransformHeader::size : 0));
        body_at_ = frame_.size();
        smb::Header header;
        header.command = command;
        header.credit_charge = header.credits = charge;
        header.message_id = next_message_id_;
        header.session_id = session_id;
        header.tree_id = tree_id_;
        signs_ = signer_ && !sealer_ && (GetParam().sign || command == Command::tree_connect);
        if (signs_) header.flags |= smb::header_flags::is_signed;
        next_message_id_ += charge;
        out_.emplace(frame_);
        header.encode(*out_);
    }

    // Sends it and drives the server until the answer is here; counted_ becomes what the server allocated meanwhile.
    NtStatus call() {
        const MutableBytes plain = frame_.mutable_bytes().subspan(body_at_);
        if (signs_) signer_->sign(plain);
        if (sealer_) {
            const MutableBytes parts[] = {plain};
            sealer_->seal(frame_.mutable_bytes().subspan(transport::header_size).first<smb::TransformHeader::size>(), parts);
        }
        store_be32(frame_.data(), static_cast<uint32_t>(frame_.size() - transport::header_size));
        const size_t before = allocations;
        const bool answered = send_all(client_.get()) && receive(client_.get());
        counted_ = allocations - before;
        if (!answered) return NtStatus::IO_TIMEOUT;
        return open_answer();
    }

    // The loop is given short turns: what it has deferred runs before it waits, and then nothing need come.
    bool pump(Monotonic deadline) {
        (void)loop_.run_once(monotonic_now() + std::chrono::milliseconds(1));
        return monotonic_now() < deadline;
    }

    bool send_all(int fd) {
        const Monotonic deadline = monotonic_now() + patience;
        size_t at = 0;
        while (at < frame_.size()) {
            const ssize_t n = ::send(fd, frame_.data() + at, frame_.size() - at, MSG_NOSIGNAL);
            if (n > 0) at += static_cast<size_t>(n);
            if (n < 0 && (errno != EAGAIN || !pump(deadline))) return false;
        }
        return true;
    }

    // One frame into received_, which is large enough for any.
    bool receive(int fd) {
        const Monotonic deadline = monotonic_now() + patience;
        received_bytes_ = 0;
        size_t wanted = transport::header_size;
        while (received_bytes_ < wanted) {
            const ssize_t n = ::recv(fd, received_.data() + received_bytes_, wanted - received_bytes_, 0);
            if (n == 0) return false;
            if (n < 0 && (errno != EAGAIN || !pump(deadline))) return false;
            if (n > 0) received_bytes_ += static_cast<size_t>(n);
            if (received_bytes_ == transport::header_size) wanted += load_be32(received_.data());
            if (wanted > received_.size()) return false;
        }
        return true;
    }

    NtStatus open_answer() {
        MutableBytes answer = MutableBytes(received_).subspan(transport::header_size, received_bytes_ - transport::header_size);
        if (opener_) {
            auto opened = opener_->open(answer);
            if (!opened) return opened.error();
            answer = *opened;
        }
        auto header = smb::Header::decode(answer);
        if (!header) return header.error();
        header_ = *header;
        answer_ = answer;
        return header_.status;
    }

    // --- The commands. Each adds what it cost to its place in costs_.
    struct Cost {
        const char* what;
        size_t allocations = 0;
        size_t requests = 0;
    };
    void run(Cost& cost) {
        ASSERT_EQ(call(), NtStatus::SUCCESS) << cost.what;
        cost.allocations += counted_;
        cost.requests++;
    }
    void create(Cost& cost, smb::CreateDisposition disposition, uint32_t options, Bytes name) {
        smb::CreateRequest request;
        request.desired_access = 0x0012019F | (options != 0 ? 0x00010000u : 0u);  // read and write, DELETE
        request.share_access = 7;
        request.disposition = disposition;
        request.options = options;
        request.name = name;
        begin(Command::create, 1);
        request.encode(*out_);
        run(cost);
        const auto response = smb::CreateResponse::decode(answer_);
        ASSERT_TRUE(response);
        id_ = response->file_id;
    }
    void close(Cost& cost, uint16_t flags) {
        begin(Command::close, 1);
        smb::CloseRequest{flags, id_}.encode(*out_);
        run(cost);
    }
    void query(Cost& cost, smb::InfoType type, uint8_t info_class) {
        smb::QueryInfoRequest request;
        request.info_type = type;
        request.info_class = info_class;
        request.output_buffer_length = 4096;
        request.file_id = id_;
        begin(Command::query_info, 1);
        request.encode(*out_);
        run(cost);
    }
    void read(Cost& cost, uint32_t length) {
        smb::ReadRequest request;
        request.length = length;
        request.file_id = id_;
        begin(Command::read, static_cast<uint16_t>((length + 65535) / 65536));
        request.encode(*out_);
        run(cost);
    }
    void write(Cost& cost, size_t length) {
        smb::WriteRequest request;
        request.data = Bytes(data_).first(length);
        request.file_id = id_;
        begin(Command::write, static_cast<uint16_t>((length + 65535) / 65536));
        request.encode(*out_);
        run(cost);
    }

    // Everything once.
    void round() {
        create(costs_[0], smb::CreateDisposition::open, 0, name_);
        for (const auto c : {smb::FileInformationClass::network_open, smb::FileInformationClass::all, smb::FileInformationClass::standard})
            query(costs_[1], smb::InfoType::file, static_cast<uint8_t>(c));
        query(costs_[2], smb::InfoType::filesystem, static_cast<uint8_t>(smb::FsInformationClass::full_size));
        query(costs_[2], smb::InfoType::filesystem, static_cast<uint8_t>(smb::FsInformationClass::attribute));
        read(costs_[3], 4096);
        read(costs_[4], large);
        write(costs_[5], 4096);
        write(costs_[6], large);
        close(costs_[7], 0);
        come_and_go();
    }
    void come_and_go() {
        create(costs_[8], smb::CreateDisposition::create, 0x1000, new_name_);  // FILE_DELETE_ON_CLOSE
        close(costs_[9], smb::close_flags::postquery_attrib);
    }

    std::filesystem::path directory_;
    loop::Loop loop_;
    loop::WorkerPool pool_{loop_, 1};  // of several, the last may not begin before the counting does
    NobodyLogsOn verifier_;
    std::unique_ptr<messaging::Messaging> messaging_;
    std::unique_ptr<xsrv::Tables> tables_;
    std::unique_ptr<ClientProcess> process_;
    UniqueFd client_;
    std::optional<smb::Signer> signer_;
    std::optional<smb::Sealer> sealer_;
    std::optional<smb::Opener> opener_;
    PreauthHash hash_{};

    uint64_t next_message_id_ = 1;
    uint32_t tree_id_ = 0;
    Buffer frame_;
    size_t body_at_ = 0;
    bool signs_ = false;
    std::optional<ByteWriter> out_;
    std::vector<uint8_t> received_ = std::vector<uint8_t>(large + 4096);
    size_t received_bytes_ = 0;
    smb::Header header_;
    Bytes answer_;
    size_t counted_ = 0;

    smb::FileId id_;
    const Buffer name_ = *utf8_to_utf16le(file_name);
    const Buffer new_name_ = *utf8_to_utf16le("a new file, which also has a name that is somewhat longer");
    const std::vector<uint8_t> data_ = std::vector<uint8_t>(large, 'y');
    std::array<Cost, 10> costs_{{{"CREATE of a file that is there"},
                                 {"QUERY_INFO of a file"},
                                 {"QUERY_INFO of a file system"},
                                 {"READ, 4 KiB"},
                                 {"READ, 1 MiB"},
                                 {"WRITE, 4 KiB"},
                                 {"WRITE, 1 MiB"},
                                 {"CLOSE"},
                                 {"CREATE of a new file"},
                                 {"CLOSE with delete-on-close"}}};
};

TEST_P(SteadyState, RequestsAllocateNothing) {
    constexpr int warm_up = 5;
    constexpr int rounds = 20;
    for (int i = 0; i < warm_up && !HasFatalFailure(); i++) round();
    // The index of the directory's names drops those that have gone when there are some kilobytes of them: then it has its size.
    for (int i = 0; i < 200 && !HasFatalFailure(); i++) come_and_go();
    for (Cost& cost : costs_) cost.allocations = cost.requests = 0;
    for (int i = 0; i < rounds && !HasFatalFailure(); i++) round();
    for (const Cost& cost : costs_) EXPECT_LE(cost.allocations, GetParam().allocations * cost.requests) << cost.what;
}

using S = smb::SigningAlgorithm;
using C = smb::Cipher;
constexpr size_t hmac = 4;  // two to verify the request, two to sign the answer
INSTANTIATE_TEST_SUITE_P(
    , SteadyState,
    testing::Values(Protection{.name = "plain"}, Protection{.name = "gmac", .sign = true},
                    Protection{.name = "cmac", .signing = S::aes_cmac, .sign = true},
                    Protection{.name = "hmac", .signing = S::hmac_sha256, .sign = true, .allocations = hmac},
                    Protection{.name = "smb2_10_signed", .dialect = 0x0210, .cipher = C::none, .sign = true, .allocations = hmac},
                    Protection{.name = "gcm", .seal = true}, Protection{.name = "ccm", .cipher = C::aes128_ccm, .seal = true}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace Atoll::smb2

#endif
