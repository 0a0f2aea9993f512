// smbwanderer: a client of a cluster whose nodes die, which goes on at another node (libcli/client/failover.h) and says with times what it
// was told, so that what several of them were told can be compared.
//
//     smbwanderer WORD //address,address,.../share -U user%password -p PORT            writes, locks and verifies
//     smbwanderer --rival WORD,WORD,... //address,.../share -U user%password -p PORT   opens what the others keep to themselves
//
// It has three files open. `records-WORD` is its own: nobody else may write; the handle is resilient, numbered records are written under
// locks and flushed. `kept-WORD` is open with a durable handle, a lease, and a lock that is held all the time. `turns` is everybody's:
// under a lock that waits for its turn a number is read, raised by one and written. When a handle does not come back it is opened anew.
//
// A line of its output, times being those of CLOCK_MONOTONIC in seconds:
//     held FILE SINCE                the handle was granted
//     confirmed FILE AT              an operation on it that was started then succeeded, so it was still granted
//     gone FILE STATUS AT            it did not come back
//     stale FILE STATUS AT           it came back with other locks than it had
//     flushed N AT                   so many records are
//     turn N SINCE UNTIL             the number was written under the lock, which was held then
//     rivalled FILE SINCE UNTIL      a rival was granted it between these
//     refused N                      a rival has been, so often
// At the end of its input it reads all records through another open, and the last line is "records N bad N reconnects N". What is not as
// it must be is "fault TEXT", and ends it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/loop/loop.h"
#include "libcli/client/failover.h"
#include "torture/failing_over.h"
#include "torture/record.h"

namespace Atoll::torture {
namespace {

using client::FailoverFile;
using client::FailoverOpen;
using client::FailoverShare;

constexpr uint64_t kept_lock = uint64_t{1} << 40;
constexpr uint64_t turns_lock = uint64_t{1} << 41;
constexpr uint32_t exclusive = smb::lock_flags::exclusive_lock;
constexpr uint32_t exclusive_at_once = exclusive | smb::lock_flags::fail_immediately;
constexpr auto between_tries = std::chrono::milliseconds(100);
constexpr auto between_rounds = std::chrono::milliseconds(50);
// Of a node that dies without a word others know the connections that are older than a second: nobody tickles who has just come.
constexpr auto answer_timeout = std::chrono::seconds(10);
constexpr auto patience_with_opens = std::chrono::seconds(60);
constexpr uint32_t kept_for_ms = 60'000;

struct Options {
    FailingOver client;
    std::string word;
    std::string rival_of;
};

double seconds(Monotonic at) { return std::chrono::duration<double>(at.time_since_epoch()).count(); }

std::string text(NtStatus status) { return std::string(to_string(status)); }

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> out;
    std::istringstream words(list);
    for (std::string word; std::getline(words, word, ',');) out.push_back(word);
    return out;
}

// `later`: by so many addresses.
client::FailoverOptions failover_options(FailingOver client, size_t later = 0) {
    client.first += later;
    client::FailoverOptions out = client.client_options();
    out.answer_timeout = answer_timeout;
    return out;
}

// Something else than the end of a handle: nothing goes on after it.
[[noreturn]] void fault(const std::string& what) {
    std::printf("fault %s\n", what.c_str());
    std::fflush(stdout);
    std::_Exit(1);
}

// One of the wanderer's files, which is opened anew when it does not come back.
class Kept {
 public:
    Kept(FailoverShare& share, std::string name, FailoverOpen how, uint64_t lock)
        : share_(share), name_(std::move(name)), how_(how), lock_(lock) {}

    [[nodiscard]] const std::string& name() const { return name_; }
    FailoverFile& file() { return *file_; }

    // True if it was opened anew: what was done since it was last confirmed may not have happened.
    bool be_open() {
        if (file_ && file_->lost() == NtStatus::SUCCESS && !stale_) return false;
        if (file_ && !stale_) std::printf("gone %s %s %.6f\n", name_.c_str(), text(file_->lost()).c_str(), seconds(monotonic_now()));
        open();
        return true;
    }

    // Whether the call has succeeded; false when the handle has gone.
    bool succeeded(const char* call, Monotonic started, NtStatus status) {
        if (status == NtStatus::SUCCESS) {
            std::printf("confirmed %s %.6f\n", name_.c_str(), seconds(started));
            return true;
        }
        if (status == NtStatus::FILE_CLOSED && file_->lost() != NtStatus::SUCCESS) return false;
        if (status == NtStatus::RANGE_NOT_LOCKED || status == NtStatus::LOCK_NOT_GRANTED) {
            std::printf("stale %s %s %.6f\n", name_.c_str(), text(status).c_str(), seconds(monotonic_now()));
            stale_ = true;
            return false;
        }
        fault(std::string(call) + " of " + name_ + ": " + text(status));
    }

    // The lock that is held all the time is there, and can be given up and taken again.
    bool has_its_lock() {
        Monotonic started = monotonic_now();
        if (!succeeded("unlock of what was kept", started, file_->unlock(lock_, 1))) return false;
        started = monotonic_now();
        return succeeded("lock of what was kept", started, file_->lock(lock_, 1, exclusive_at_once));
    }

 private:
    // A rival that was faster closes at once; what a lost node had is in the way until the others have ended it.
    void open() {
        const Monotonic deadline = monotonic_now() + patience_with_opens;
        while (true) {
            NtStatus status = try_to_open();
            if (status == NtStatus::SUCCESS) return;
            const bool passing =
                status == NtStatus::SHARING_VIOLATION || status == NtStatus::LOCK_NOT_GRANTED || status == NtStatus::FILE_CLOSED;
            if (!passing || monotonic_now() >= deadline) fault("open of " + name_ + ": " + text(status));
            (void)share_.loop().run_until(monotonic_now() + between_tries);
        }
    }

    NtStatus try_to_open() {
        if (file_ && file_->lost() == NtStatus::SUCCESS) (void)file_->close();
        file_.reset();
        stale_ = false;
        auto opened = share_.open(name_, how_);
        if (!opened) return opened.error();
        file_ = *opened;
        if (lock_ != 0) {
            if (const NtStatus status = file_->lock(lock_, 1, exclusive_at_once); status != NtStatus::SUCCESS) return status;
        }
        std::printf("held %s %.6f\n", name_.c_str(), seconds(monotonic_now()));
        return NtStatus::SUCCESS;
    }

    FailoverShare& share_;
    std::string name_;
    FailoverOpen how_;
    uint64_t lock_;
    std::shared_ptr<FailoverFile> file_;
    bool stale_ = false;  // it is to be opened anew
};

FailoverOpen resilient_to_oneself() {
    FailoverOpen how;
    how.share = smb::file_share::read;
    how.resilient = true;
    how.timeout_ms = kept_for_ms;
    return how;
}

FailoverOpen durable_with_lease() {
    FailoverOpen how;
    how.lease = smb::lease_state::read_caching | smb::lease_state::handle_caching | smb::lease_state::write_caching;
    how.timeout_ms = kept_for_ms;
    return how;
}

class Wanderer {
 public:
    explicit Wanderer(const Options& options)
        : share_(loop_, failover_options(options.client)),
          records_(share_, "records-" + options.word, resilient_to_oneself(), kept_lock),
          kept_(share_, "kept-" + options.word, durable_with_lease(), kept_lock),
          turns_(share_, "turns", {}, 0) {}

    void run() {
        while (!input_has_ended()) {
            if (records_.be_open()) written_ = flushed_;
            (void)kept_.be_open();
            (void)turns_.be_open();
            if (!write_records() || !records_.has_its_lock()) continue;
            if (!kept_.has_its_lock()) continue;
            take_a_turn();
        }
        end();
    }

 private:
    static constexpr uint64_t records_at_once = 8;

    bool write_records() {
        FailoverFile& file = records_.file();
        for (uint64_t n = 0; n < records_at_once; n++, written_++) {
            const Record record = Record::of(written_);
            const uint64_t at = written_ * sizeof record;
            const Monotonic started = monotonic_now();
            if (!records_.succeeded("lock", started, file.lock(at, sizeof record, exclusive_at_once))) return false;
            const auto done = file.write(at, {reinterpret_cast<const uint8_t*>(&record), sizeof record});
            if (done && *done != sizeof record) fault("a part of a record was written");
            if (!records_.succeeded("write", started, done ? NtStatus::SUCCESS : done.error())) return false;
            if (!records_.succeeded("unlock", started, file.unlock(at, sizeof record))) return false;
        }
        const Monotonic started = monotonic_now();
        if (!records_.succeeded("flush", started, file.flush())) return false;
        flushed_ = written_;
        std::printf("flushed %llu %.6f\n", static_cast<unsigned long long>(flushed_), seconds(monotonic_now()));
        return true;
    }

    void take_a_turn() {
        FailoverFile& file = turns_.file();
        Monotonic started = monotonic_now();
        if (!turns_.succeeded("lock", started, file.lock(turns_lock, 1, exclusive))) return;
        const Monotonic since = monotonic_now();
        uint64_t number = 0;
        Buffer there;
        NtStatus status = file.read(0, sizeof number, there);
        if (status == NtStatus::END_OF_FILE) status = NtStatus::SUCCESS;
        if (!turns_.succeeded("read", since, status)) return;
        if (there.size() == sizeof number) std::memcpy(&number, there.bytes().data(), sizeof number);
        number++;
        started = monotonic_now();
        const auto written = file.write(0, {reinterpret_cast<const uint8_t*>(&number), sizeof number});
        if (!turns_.succeeded("write", started, written ? NtStatus::SUCCESS : written.error())) return;
        if (!turns_.succeeded("flush", started, file.flush())) return;
        started = monotonic_now();
        if (!turns_.succeeded("unlock", started, file.unlock(turns_lock, 1))) return;
        std::printf("turn %llu %.6f %.6f\n", static_cast<unsigned long long>(number), seconds(since), seconds(started));
    }

    void end() {
        FailoverOpen reading;
        reading.access = smb::access_mask::file_generic_read;
        (void)records_.file().close();
        const auto again = share_.open(records_.name(), reading);
        if (!again) fault("open: " + text(again.error()));
        std::printf("records %llu bad %llu reconnects %u\n", static_cast<unsigned long long>(flushed_),
                    static_cast<unsigned long long>(count_bad(**again)), share_.reconnects());
    }

    uint64_t count_bad(FailoverFile& file) const {
        uint64_t bad = 0;
        for (uint64_t number = 0; number < flushed_; number++) {
            Buffer there;
            const NtStatus status = file.read(number * sizeof(Record), sizeof(Record), there);
            Record record;
            if (status == NtStatus::SUCCESS && there.size() == sizeof record) std::memcpy(&record, there.bytes().data(), sizeof record);
            if (!record.is(number)) bad++;
        }
        return bad;
    }

    loop::Loop loop_;
    FailoverShare share_;
    Kept records_, kept_, turns_;
    uint64_t written_ = 0, flushed_ = 0;
};

// Each round comes in at another address.
void rival(const Options& options) {
    const auto words = split(options.rival_of);
    uint64_t refused = 0;
    for (size_t round = 0; !input_has_ended(); round++) {
        loop::Loop loop;
        FailoverShare share(loop, failover_options(options.client, round));
        for (const auto& word : words) {
            const std::string name = "records-" + word;
            FailoverOpen how;
            how.disposition = smb::CreateDisposition::open;
            const Monotonic since = monotonic_now();
            const auto opened = share.open(name, how);
            if (opened) {
                std::printf("rivalled %s %.6f %.6f\n", name.c_str(), seconds(since), seconds(monotonic_now()));
                (void)(*opened)->close();
            } else if (opened.error() == NtStatus::SHARING_VIOLATION) {
                refused++;
            } else if (opened.error() != NtStatus::OBJECT_NAME_NOT_FOUND) {
                fault("a rival's open of " + name + ": " + text(opened.error()));
            }
        }
        std::printf("refused %llu\n", static_cast<unsigned long long>(refused));
        (void)loop.run_until(monotonic_now() + between_rounds);
    }
}

int main(int argc, char** argv) {
    Options options;
    CLI::App app("A client of a cluster whose nodes die", "smbwanderer");
    app.add_option("word", options.word, "Its name, of which its files have theirs")->required();
    options.client.add_to(app);
    app.add_option("--rival", options.rival_of, "Open what these have open");
    CLI11_PARSE(app, argc, argv);
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    if (options.rival_of.empty())
        Wanderer(options).run();
    else
        rival(options);
    return 0;
}

}  // namespace
}  // namespace Atoll::torture

int main(int argc, char** argv) { return Atoll::torture::main(argc, argv); }
