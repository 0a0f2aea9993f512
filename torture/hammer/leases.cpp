// Files with leases: values that are cached as the lease allows, written back when it is broken. Nobody reads what has been overwritten,
// nobody comes in beside a write lease, and who may cache reads is told when somebody else has written (MS-SMB2 3.3.1.4, 3.3.4.7).
#include <fmt/format.h>

#include "base/bytes.h"
#include "torture/hammer/client.h"

namespace Atoll::hammer {
namespace {

using namespace smb::lease_state;

constexpr uint32_t states[] = {read_caching, read_caching | handle_caching, read_caching | write_caching,
                               read_caching | write_caching | handle_caching};

class LeaseWork final : public Work {
 public:
    explicit LeaseWork(HammerClient& client) : client_(client), world_(client.world) {}

    NtStatus connected() override { return NtStatus::SUCCESS; }
    void step() override {
        for (int i = 0; i < lease_files; i++) {
            check_told(i);
            if (!files_[i].busy && world_.chance(0.15)) begin(i);
        }
    }
    bool finish() override {
        bool finished = true;
        for (int i = 0; i < lease_files; i++) {
            if (!files_[i].busy && files_[i].open) close(i);
            finished = finished && !files_[i].busy && !files_[i].open;
        }
        return finished;
    }
    void lost() override {
        for (int i = 0; i < lease_files; i++) {
            world_.leases[i].erase(client_.number);
            if (files_[i].dirty) world_.lease_values[i].undone(*files_[i].cached);
            files_[i].busy = true;
        }
    }
    void broken(Bytes message) override {
        const auto notification = smb::LeaseBreakNotification::decode(message);
        if (!notification.ok()) return world_.fault(client_.name() + ": a break that does not decode");
        for (int i = 0; i < lease_files; i++) {
            if (files_[i].key == notification->key) return take_break(i, *notification);
        }
        world_.fault(client_.name() + ": a break of a lease that it never asked for");
    }

 private:
    struct Mine {
        Guid key = Guid::random();
        smb::FileId id;
        bool open = false, busy = false, dirty = false;
        std::optional<uint64_t> cached;
        uint64_t breaks = 0;  // so far
        std::optional<smb::LeaseBreakNotification> to_acknowledge;
    };

    LeaseView& view(int i) { return world_.leases[i][client_.number]; }
    [[nodiscard]] bool may(int i, uint32_t state) { return (view(i).state & state) != 0; }
    std::string name(int i) const { return fmt::format("client {}, file {}", client_.number, i); }

    void begin(int i) {
        Mine& mine = files_[i];
        if (mine.to_acknowledge) return write_back(i);
        if (!mine.open) return open(i);
        const double what = std::uniform_real_distribution<>(0, 1)(world_.random);
        if (what < 0.4) return read(i);
        if (what < 0.7) return write(i);
        close(i);
    }

    // --- Requests

    void open(int i) {
        Mine& mine = files_[i];
        mine.busy = true;
        client::OpenOptions options;
        options.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
        options.disposition = smb::CreateDisposition::open_if;
        options.oplock = smb::OplockLevel::lease;
        smb::LeaseContext lease;
        lease.version = 2;
        lease.key = mine.key;
        lease.state = states[world_.below(4)];
        options.contexts.lease = lease;
        world_.tick();
        client_.ask(smb::Command::create, client::CreateCall("hammer\\leased" + std::to_string(i), options),
                    [this, i](NtStatus status, client::Exchange& answer) { opened(i, status, answer); });
    }

    void opened(int i, NtStatus status, client::Exchange& answer) {
        Mine& mine = files_[i];
        mine.busy = false;
        auto response = answer.decode<smb::CreateResponse>();
        if (!response) return world_.fault(name(i) + ": CREATE gives " + to_string(status));
        auto contexts = smb::CreateResponseContexts::decode(response->contexts);
        if (!contexts) return world_.fault(name(i) + ": contexts that do not decode");
        const uint32_t granted = contexts->lease ? contexts->lease->state : 0;
        world_.count(granted == 0 ? "opens without a lease" : (granted & write_caching) != 0 ? "write leases" : "read leases");
        nobody_caches_writes(i, "is opened");
        for (const auto& [other, theirs] : world_.leases[i]) {
            if (other != client_.number && theirs.open && (granted & write_caching) != 0)
                world_.fault(fmt::format("{}: a write lease, and client {} has the file open", name(i), other));
        }
        mine.id = response->file_id;
        mine.open = true;
        mine.cached.reset();
        view(i) = {true, granted, world_.clock, {}};
    }

    void read(int i) {
        Mine& mine = files_[i];
        if (may(i, read_caching) && mine.cached) return world_.count("reads from the cache");
        mine.busy = true;
        smb::ReadRequest request;
        request.length = 8;
        request.file_id = mine.id;
        const Moment asked = world_.read_begins(client_.number);
        client_.ask(smb::Command::read, request, [this, i, asked, breaks = mine.breaks](NtStatus status, client::Exchange& answer) {
            read_done(i, asked, breaks, status, answer);
            world_.read_ends(client_.number, asked);
        });
    }

    void read_done(int i, Moment asked, uint64_t breaks, NtStatus status, client::Exchange& answer) {
        Mine& mine = files_[i];
        mine.busy = false;
        uint64_t value = 0;
        if (status != NtStatus::END_OF_FILE) {
            auto response = answer.decode<smb::ReadResponse>();
            if (!response || response->data.size() != 8) return world_.fault(name(i) + ": READ gives " + to_string(status));
            value = load_le<uint64_t>(response->data.data());
        }
        world_.count("reads of leased files");
        if (!world_.lease_values[i].may_read(value, asked, world_.clock))
            world_.fault(fmt::format("{}: READ gives {}, which was overwritten or never written", name(i), value));
        if (breaks == mine.breaks && may(i, read_caching)) mine.cached = value;
    }

    void write(int i) {
        Mine& mine = files_[i];
        const uint64_t value = world_.next_value++;
        Register& values = world_.lease_values[i];
        values.begins(value, world_.tick());
        if (may(i, write_caching)) {
            if (mine.dirty) values.undone(*mine.cached);
            values.done(value, world_.clock);
            mine.cached = value;
            mine.dirty = true;
            written(i, world_.clock);
            return world_.count("writes into the cache");
        }
        mine.cached.reset();
        mine.busy = true;
        send_write(i, value, [this, i, value, breaks = mine.breaks](Moment asked) {
            Mine& done = files_[i];
            done.busy = false;
            world_.lease_values[i].done(value, world_.clock);
            world_.lease_values[i].forget(world_.oldest_read());
            world_.count("writes of leased files");
            if (breaks == done.breaks && may(i, read_caching)) done.cached = value;
            written(i, asked);
        });
    }

    void send_write(int i, uint64_t value, std::function<void(Moment asked)> then) {
        store_le(bytes_[i].data(), value);
        smb::WriteRequest request;
        request.file_id = files_[i].id;
        request.data = bytes_[i];
        const Moment asked = world_.tick();
        client_.ask(smb::Command::write, request, [this, i, asked, then = std::move(then)](NtStatus status, client::Exchange&) {
            if (status != NtStatus::SUCCESS) world_.fault(name(i) + ": WRITE gives " + to_string(status));
            nobody_caches_writes(i, "is written");
            then(asked);
        });
    }

    // What is dirty goes to the server; then a break is acknowledged.
    void write_back(int i) {
        Mine& mine = files_[i];
        if (!mine.dirty) return acknowledge(i);
        mine.busy = true;
        send_write(i, *mine.cached, [this, i](Moment) {
            files_[i].busy = files_[i].dirty = false;
            world_.count("values written back");
            if (files_[i].to_acknowledge) acknowledge(i);
        });
    }

    void close(int i) {
        Mine& mine = files_[i];
        if (mine.dirty) return write_back(i);
        mine.busy = true;
        mine.open = false;
        mine.cached.reset();
        mine.to_acknowledge.reset();
        world_.tick();
        view(i) = {};
        client_.ask(smb::Command::close, smb::CloseRequest{0, mine.id}, [this, i](NtStatus status, client::Exchange&) {
            files_[i].busy = false;
            if (status != NtStatus::SUCCESS) world_.fault(name(i) + ": CLOSE gives " + to_string(status));
        });
    }

    // --- Breaks

    void take_break(int i, const smb::LeaseBreakNotification& notification) {
        Mine& mine = files_[i];
        mine.breaks++;
        view(i).stale_since = {};
        world_.count("breaks");
        if (!mine.open) return;  // crossed with the CLOSE, or with the answer to the CREATE
        if ((notification.new_state & ~view(i).state) != 0)
            world_.fault(fmt::format("{}: a break from {:#x} to {:#x}", name(i), view(i).state, notification.new_state));
        if ((notification.flags & smb::lease_break_flags::ack_required) == 0) return settle(i, notification.new_state);
        mine.to_acknowledge = notification;
        if (!mine.busy) write_back(i);
    }

    void acknowledge(int i) {
        Mine& mine = files_[i];
        const smb::LeaseBreakNotification notification = *mine.to_acknowledge;
        mine.to_acknowledge.reset();
        mine.busy = true;
        world_.tick();
        settle(i, notification.new_state);
        client_.ask(smb::Command::oplock_break, smb::LeaseBreakAck{mine.key, notification.new_state},
                    [this, i](NtStatus status, client::Exchange&) {
                        files_[i].busy = false;
                        if (status != NtStatus::SUCCESS) world_.fault(name(i) + ": an acknowledgement gives " + to_string(status));
                    });
    }

    void settle(int i, uint32_t state) {
        view(i).state = state;
        if ((state & read_caching) == 0) files_[i].cached.reset();
    }

    // --- What must hold

    void nobody_caches_writes(int i, const char* what) {
        for (const auto& [other, theirs] : world_.leases[i]) {
            if (other != client_.number && (theirs.state & write_caching) != 0)
                world_.fault(fmt::format("{}: {} while client {} may cache writes", name(i), what, other));
        }
    }

    // The others that may cache reads have to be told; not who got his lease while the WRITE was under way, for he may have come after it.
    void written(int i, Moment asked) {
        for (auto& [other, theirs] : world_.leases[i]) {
            const bool must_be_told = other != client_.number && theirs.open && (theirs.state & read_caching) != 0 && theirs.since < asked;
            if (must_be_told && theirs.stale_since == Monotonic{}) theirs.stale_since = monotonic_now();
        }
    }

    void check_told(int i) {
        LeaseView& seen = view(i);
        if (seen.stale_since == Monotonic{} || monotonic_now() - seen.stale_since < grace) return;
        seen.stale_since = {};
        world_.fault(name(i) + ": not told that somebody else has written");
    }

    HammerClient& client_;
    World& world_;
    Mine files_[lease_files];
    std::array<uint8_t, 8> bytes_[lease_files]{};
};

}  // namespace

std::unique_ptr<Work> lease_work(HammerClient& client) { return std::make_unique<LeaseWork>(client); }

}  // namespace Atoll::hammer
