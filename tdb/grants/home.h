// The cluster part of grants as a process of a node sees it. One process a node is the node's agent: it asks other nodes' agents for what
// is in this node's way, and answers theirs. All others take what is in nobody's way by themselves, and ask their agent for the rest.
//
// Messages may be lost, doubled, late and out of order: whoever waits says so again (tick()), and what is said late is harmless. What
// nodes must not disagree about stands in the records (home_records.h). Main thread only.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tdb/grants/grants.h"
#include "tdb/grants/home_records.h"

namespace Atoll::grants {

// Any process but the agent.
class ProcessHome final : public Home {
 public:
    using ToAgent = std::function<void(Bytes message)>;
    ProcessHome(HomeRecords& records, const Nodes& nodes, ToAgent to_agent)
        : records_(records), nodes_(nodes), to_agent_(std::move(to_agent)) {}

    [[nodiscard]] uint64_t session() const override { return nodes_.self().session; }
    Result<bool> take(Bytes file, const rights& wanted, Enter enter) override { return records_.take(file, wanted, enter); }
    void ask(Bytes file, const rights& wanted) override;
    // Recalls go to the agent.
    void gave(Bytes, const rights&, const rights&, uint64_t) override {}
    Result<void> set_mark(Bytes file, const std::optional<deletion_mark>& mark) override { return records_.set_mark(file, mark); }
    Result<std::optional<deletion_mark>> mark_of(Bytes file) override { return records_.mark_of(file); }

 private:
    HomeRecords& records_;
    const Nodes& nodes_;
    ToAgent to_agent_;
    Buffer encoded_;
};

class HomeAgent final : public Home {
 public:
    // To the agent of another node: lost without a word, or late.
    using ToNode = std::function<void(uint32_t node, Bytes message)>;
    // `first_number`: no former agent of the node has used it, nor one near it.
    HomeAgent(HomeRecords& records, const Nodes& nodes, ToNode to_node, uint64_t first_number, Planted planted = Planted::none)
        : records_(records), nodes_(nodes), to_node_(std::move(to_node)), last_(first_number), planted_(planted) {}

    // Before anything else. `held`: the node's own records, in which questions stand that a former agent has not answered.
    void begin(NodeGrants& node, Recalls& recalls, tdb::Database& held);

    // A message of a ToAgent or a ToNode. What does not decode is logged and dropped.
    void receive(Bytes message);
    // Every limits::grant_nudge_milliseconds, and when a node's session has ended.
    void tick();
    // Nothing is under way: no tick() is needed.
    [[nodiscard]] bool idle() const { return waits_.empty() && recalls_.empty(); }

    [[nodiscard]] uint64_t session() const override { return nodes_.self().session; }
    Result<bool> take(Bytes file, const rights& wanted, Enter enter) override { return records_.take(file, wanted, enter); }
    void ask(Bytes file, const rights& wanted) override;
    void gave(Bytes file, const rights& lost, const rights& kept, uint64_t stamp) override;
    Result<void> set_mark(Bytes file, const std::optional<deletion_mark>& mark) override { return records_.set_mark(file, mark); }
    Result<std::optional<deletion_mark>> mark_of(Bytes file) override { return records_.mark_of(file); }

    struct Counters {
        uint64_t asked = 0;     // what was in somebody's way
        uint64_t messages = 0;  // to other nodes' agents
        uint64_t notices = 0;   // in them
    };
    [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
    // Of this node, for a file.
    struct Wait {
        rights wanted;
        uint64_t number = 0;
        std::map<uint32_t, rights> recalled;  // from other nodes, since the last tick
        std::set<uint32_t> keepers;           // of them, who have said that they keep some of it
    };
    // Who wants something of this node's.
    struct Asker {
        uint32_t node = 0;
        uint64_t number = 0;
        rights wanted;
    };
    struct Recall {
        rights lost;  // what is being recalled; the askers that want more come after
        std::vector<Asker> askers;
        unsigned nudges = 0;
    };
    using FileKey = std::string;

    void take_in(const NodeSession& from, const grant_notice& notice);
    void add_wait(const FileKey& file, const rights& wanted);
    bool go_on(const FileKey& file, Wait& wait, const Gone* gone);
    void go_on_all(const FileKey& file);
    void hear(const NodeSession& from, const FileKey& file, const grant_notice& notice);
    void refuse(const FileKey& file, uint64_t number);
    void end_wait(const FileKey& file, uint64_t number);
    void pass_on(const FileKey& file, const Found& found);
    void recall(const FileKey& file, const Asker& asker);
    void start_recall(const FileKey& file);
    std::vector<uint64_t> live(const FileKey& file) const;
    grant_notice& tell(uint32_t node, grant_event what, const FileKey& file, uint64_t number, const rights& of);
    void end_step();
    void send_all();

    HomeRecords& records_;
    const Nodes& nodes_;
    ToNode to_node_;
    uint64_t last_;
    const Planted planted_;
    NodeGrants* node_ = nullptr;
    Recalls* recaller_ = nullptr;
    std::map<FileKey, std::vector<Wait>> waits_;
    std::map<FileKey, Recall> recalls_;
    std::map<uint32_t, grant_notices> outgoing_;  // what is said to a node in one step is one message
    bool nudging_ = false;                        // within tick()
    std::vector<FileKey> deletable_;              // of which this step has got `deletion`
    Counters counters_;
};

}  // namespace Atoll::grants
