// Byte-range locks over slots of one file, and counters in the slots that only change under an exclusive lock.
#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "torture/hammer/client.h"

namespace Atoll::hammer {
namespace {

constexpr uint64_t slot_size = 8;
constexpr size_t max_held = 4;
constexpr int patience = 200;  // steps until a lock that waits is given up

class LockingWork final : public Work {
 public:
    explicit LockingWork(HammerClient& client) : client_(client), world_(client.world), open_(world_.next_open++) {}

    NtStatus connected() override {
        client::OpenOptions options;
        options.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
        options.disposition = smb::CreateDisposition::open_if;
        auto file = client::File::open(*client_.tree, "hammer\\locked", options);
        if (!file) return file.error();
        file_ = file->id();
        return NtStatus::SUCCESS;
    }

    void step() override {
        if (waiting_ && ++waited_ > patience) cancel();
        if (busy_) return;
        const double what = std::uniform_real_distribution<>(0, 1)(world_.random);
        if (!waiting_ && held_.size() < max_held && what < 0.5) return lock();
        if (!held_.empty() && what < 0.8) return unlock();
        if (what > 0.9) read_without_lock();
    }

    bool finish() override {
        finishing_ = true;
        if (waiting_ && ++waited_ > patience) cancel();
        if (!busy_ && !held_.empty()) unlock();
        return !busy_ && held_.empty() && !waiting_;
    }

    void lost() override {
        world_.locks.client_lost(client_.number, world_.clock);
        busy_ = true;
    }

 private:
    using Claim = Claims<LockClaim>::Claim;

    [[nodiscard]] bool overlaps_own(const LockClaim& wanted) const {
        return std::ranges::any_of(held_,
                                   [&](const Claim* claim) { return claim->what.begin < wanted.end && wanted.begin < claim->what.end; });
    }

    smb::LockRequest request(const LockClaim& what, uint32_t flags) {
        elements_.clear();
        ByteWriter out(elements_);
        smb::LockRequest::encode_element(out, {what.begin, what.end - what.begin, flags});
        smb::LockRequest request;
        request.file_id = file_;
        request.elements = elements_;
        return request;
    }

    void lock() {
        LockClaim wanted{client_.number, open_, 0, 0, world_.chance(0.6)};
        const int first = world_.below(lock_slots);
        wanted.begin = slot_size * static_cast<uint64_t>(first);
        wanted.end = slot_size * static_cast<uint64_t>(first + 1 + world_.below(std::min(3, lock_slots - first)));
        if (overlaps_own(wanted)) return;
        const bool waits = world_.chance(0.5);
        uint32_t flags = wanted.exclusive ? smb::lock_flags::exclusive_lock : smb::lock_flags::shared_lock;
        if (!waits) flags |= smb::lock_flags::fail_immediately;
        Claim& claim = world_.locks.ask(wanted, world_.tick());
        (waits ? waiting_ : busy_) = true;
        waited_ = 0;
        auto exchange = client_.ask(smb::Command::lock, request(wanted, flags),
                                    [this, &claim, waits](NtStatus status, client::Exchange&) { locked(claim, waits, status); });
        if (waits) waits_for_ = exchange;
    }

    void locked(Claim& claim, bool waits, NtStatus status) {
        (waits ? waiting_ : busy_) = false;
        if (waits) waits_for_.reset();
        const std::string what = describe(claim.what);
        if (status == NtStatus::SUCCESS) {
            world_.count(waits ? "locks that may wait" : "locks");
            if (const Claim* other = world_.locks.granted(claim, world_.clock))
                world_.fault(what + " is granted beside " + describe(other->what));
            held_.push_back(&claim);
            if (claim.what.exclusive && !finishing_ && !busy_) increment(claim);
            return;
        }
        const bool justified = world_.locks.refused(claim, world_.clock);
        if (waits && status == NtStatus::CANCELLED) return world_.count("locks cancelled");
        if (waits || status != NtStatus::LOCK_NOT_GRANTED) return world_.fault(what + " gives " + to_string(status));
        world_.count("locks refused");
        if (!justified) world_.fault(what + " is refused, and nobody is in its way");
    }

    // One slot under the lock is read and counted up: nobody else does so meanwhile.
    void increment(const Claim& claim) {
        busy_ = true;
        const uint64_t slots = (claim.what.end - claim.what.begin) / slot_size;
        const uint64_t offset = claim.what.begin + slot_size * static_cast<uint64_t>(world_.below(static_cast<int>(slots)));
        ask_read(offset, [this, offset](NtStatus status, std::optional<uint64_t> value, Moment asked) {
            if (!value) {
                busy_ = false;
                return world_.fault(fmt::format("{}: reading under its own lock gives {}", client_.name(), to_string(status)));
            }
            check_value(offset, *value, asked);
            write(offset);
        });
    }

    void check_value(uint64_t offset, uint64_t value, Moment asked) {
        if (!world_.slots[offset / slot_size].may_read(value, asked, world_.clock))
            world_.fault(
                fmt::format("{}: slot {} holds {}, which was overwritten or never written", client_.name(), offset / slot_size, value));
    }

    void write(uint64_t offset) {
        const uint64_t value = world_.next_value++;
        Register& slot = world_.slots[offset / slot_size];
        slot.begins(value, world_.tick());
        smb::WriteRequest request;
        store_le(bytes_.data(), value);
        request.offset = offset;
        request.file_id = file_;
        request.data = bytes_;
        client_.ask(smb::Command::write, request, [this, value, &slot](NtStatus status, client::Exchange&) {
            busy_ = false;
            world_.count("writes under a lock");
            if (status != NtStatus::SUCCESS)
                return world_.fault(fmt::format("{}: writing under its own lock gives {}", client_.name(), to_string(status)));
            slot.done(value, world_.clock);
            slot.forget(world_.oldest_read());
        });
    }

    void ask_read(uint64_t offset, std::function<void(NtStatus, std::optional<uint64_t>, Moment asked)> then) {
        smb::ReadRequest request;
        request.length = slot_size;
        request.offset = offset;
        request.file_id = file_;
        const Moment asked = world_.read_begins(client_.number);
        client_.ask(smb::Command::read, request, [this, asked, then = std::move(then)](NtStatus status, client::Exchange& answer) {
            std::optional<uint64_t> value;
            auto response = answer.decode<smb::ReadResponse>();
            if (status == NtStatus::END_OF_FILE)
                value = 0;
            else if (response && response->data.size() == slot_size)
                value = load_le<uint64_t>(response->data.data());
            then(status, value, asked);
            world_.read_ends(client_.number, asked);
        });
    }

    // Locks are mandatory (MS-FSA 2.1.5.3): others' exclusive ones keep readers out.
    void read_without_lock() {
        busy_ = true;
        const uint64_t offset = slot_size * static_cast<uint64_t>(world_.below(lock_slots));
        const LockClaim reader{client_.number, open_, offset, offset + slot_size, false};
        ask_read(offset, [this, offset, reader](NtStatus status, std::optional<uint64_t> value, Moment asked) {
            busy_ = false;
            if (status == NtStatus::FILE_LOCK_CONFLICT) {
                world_.count("reads refused");
                if (!world_.locks.could_be_refused(reader, asked, world_.clock))
                    world_.fault(fmt::format("{}: a read at {} meets a lock that nobody has", client_.name(), offset));
                return;
            }
            if (!value) return world_.fault(fmt::format("{}: a read gives {}", client_.name(), to_string(status)));
            world_.count("reads");
            if (world_.locks.must_be_refused(reader, asked, world_.clock))
                world_.fault(fmt::format("{}: a read at {} passes another's exclusive lock", client_.name(), offset));
            check_value(offset, *value, asked);
        });
    }

    void unlock() {
        busy_ = true;
        const size_t at = static_cast<size_t>(world_.below(static_cast<int>(held_.size())));
        Claim& claim = *held_[at];
        held_.erase(held_.begin() + static_cast<ptrdiff_t>(at));
        world_.locks.releasing(claim, world_.tick());
        client_.ask(smb::Command::lock, request(claim.what, smb::lock_flags::unlock), [this, &claim](NtStatus status, client::Exchange&) {
            busy_ = false;
            world_.locks.released(claim, world_.clock);
            if (status != NtStatus::SUCCESS) world_.fault("unlocking " + describe(claim.what) + " gives " + to_string(status));
        });
    }

    void cancel() {
        waited_ = 0;
        if (waits_for_ && waits_for_->interim()) client_.connection->cancel(client_.session.get(), waits_for_);
    }

    static std::string describe(const LockClaim& claim) {
        return fmt::format("client {}'s {} lock of [{}, {})", claim.client, claim.exclusive ? "exclusive" : "shared", claim.begin,
                           claim.end);
    }

    HammerClient& client_;
    World& world_;
    const uint64_t open_;
    smb::FileId file_;
    Buffer elements_;
    std::array<uint8_t, slot_size> bytes_{};
    std::vector<Claim*> held_;
    bool busy_ = false, waiting_ = false, finishing_ = false;
    int waited_ = 0;
    client::ExchangePtr waits_for_;
};

}  // namespace

std::unique_ptr<Work> locking_work(HammerClient& client) { return std::make_unique<LockingWork>(client); }

}  // namespace Atoll::hammer
