// The committer without its sockets: batches of senders in, answers out, one transaction for all that are given at once.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/guid.h"
#include "base/result.h"
#include "base/time.h"
#include "tdb/committer/committer.idl.h"
#include "tdb/lmdb/lmdb_database.h"

namespace Atoll::committer {

struct JournalOptions {
    std::string path;                    // of the LMDB file
    std::vector<std::string> databases;  // all that can be written; made if they are not there
    uint64_t map_size = 256u << 20;      // bytes of address space to begin with
};

// A batch that waits for its decision.
struct Pending {
    Guid sender;
    batch request;
    answer reply;
};

class Journal {
 public:
    enum class Known : uint8_t {
        is_new,        // the next of its sender
        decided,       // it came before
        out_of_order,  // neither: the sender is not one of ours
    };

    // Code::corrupt: what is kept of senders is not readable.
    static Result<std::unique_ptr<Journal>> open(const JournalOptions& options);

    // A sender has come, or come again. False: its name is another's, or there are too many.
    bool enter(const Guid& sender, pid_t pid, uint64_t answered);
    // Its connection has ended, and nothing of it waits for a decision.
    void leave(const Guid& sender);
    // What is known of a batch that has arrived; `out` is the answer if it was decided before. One that is new has to be among those that
    // are decided next.
    Known recall(const Guid& sender, const batch& arrived, answer& out);

    // Decides all, in their order, with one transaction if anything is changed. When it returns, what the replies say is on the disk.
    void decide(std::span<Pending> group);

    // Forgets the senders that have left and will not come again, and frees dead readers' places. A sync if there was a sender.
    void clean();

    [[nodiscard]] bool is_broken() const { return environment_->is_broken(); }
    [[nodiscard]] uint64_t commits() const { return commits_; }  // transactions synced since it was opened
    [[nodiscard]] uint64_t batches() const { return batches_; }  // decided since it was opened
    [[nodiscard]] size_t senders() const { return senders_.size(); }

 private:
    struct Sender {
        sender_state state;
        uint64_t arrived = 0;  // the number of its last batch that recall() found new
        bool is_here = false;
        Monotonic left{};
    };

    explicit Journal(std::shared_ptr<tdb::LmdbEnvironment> environment) : environment_(std::move(environment)) {}
    Result<void> open_databases(const JournalOptions& options);
    Result<void> load_senders();
    tdb::Database* find(const std::string& database);
    void judge(const batch& request, answer& reply);
    bool holds(const change& condition, tdb::Database& database, answer& reply);
    Result<void> apply(const batch& request);
    Result<bool> apply_group(std::span<Pending> group);
    Result<void> store_senders(std::span<const Pending> group);
    Result<void> try_group(std::span<Pending> group);
    void note(const Pending& pending);
    void unnote(const Pending& pending);

    std::shared_ptr<tdb::LmdbEnvironment> environment_;
    std::map<std::string, std::unique_ptr<tdb::Database>, std::less<>> databases_;
    std::unique_ptr<tdb::Database> senders_database_;
    std::map<Guid, Sender> senders_;
    uint64_t commits_ = 0;
    uint64_t batches_ = 0;
    Buffer encoded_;
};

}  // namespace Atoll::committer
