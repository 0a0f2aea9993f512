// A core that is told by the other nodes whatever decodes: a listed node that is broken may send it.
#include "base/bytes.h"
#include "ctdb/sim/lone_core.h"

namespace Atoll::ctdb::sim {
namespace {

enum class Step : uint8_t { message, tick, long_time, lock_taken, lock_checked, written, want, commit, store, read, count };

// The node and the world that answers what it asks for.
class Node {
 public:
    explicit Node(bool by_majority) : node_(config(by_majority)) {}

    void handle(Event event) {
        now_ += 20 * millisecond;
        std::vector<Event> answers;
        for (const Action& action : node_.core.handle(std::move(event), now_)) {
            if (const auto* write = std::get_if<WriteRegister>(&action)) written_ = write->view.id;
            if (const auto* store = std::get_if<WritePersistent>(&action)) {
                node_.disk.start(*store);
                answers.emplace_back(PersistentWritten{node_.disk.finish(store->ticket % 4 != 0).ticket, store->ticket % 4 != 0});
            }
            if (std::holds_alternative<WriteBallot>(action)) answers.emplace_back(BallotWritten{++ballots_ % 8 != 0});
            if (const auto* grant = std::get_if<GrantRecord>(&action)) answers.emplace_back(use(*grant));
            if (const auto* mirrored = std::get_if<RecordMirrored>(&action)) answers.emplace_back(release(mirrored->key));
        }
        for (Event& answer : answers) handle(std::move(answer));
    }

    void step(ByteReader& in) {
        const auto what = static_cast<Step>(in.u8() % static_cast<uint8_t>(Step::count));
        const uint8_t argument = in.u8();
        switch (what) {
            case Step::message: return message(in.bytes(std::min<size_t>(in.u16(), in.remaining())), argument);
            case Step::tick: return handle(Ticked{});
            case Step::long_time: now_ += argument * 50 * millisecond; return handle(Ticked{});
            case Step::lock_taken: return handle(LockTaken{++term_, std::nullopt});
            case Step::lock_checked: return handle(LockChecked{term_, now_, argument != 0});
            case Step::written: return handle(RegisterWritten{written_, argument != 0});
            case Step::read: return handle(ClientReads{Client{3} + argument % 2, RecordKey{1, {argument}}});
            case Step::store: stores_ = argument % 2 != 0; return;
            case Step::commit: return handle(ClientCommits{++transactions_, argument % 2U, protocol::ANY_SEQUENCE, {{{argument}, {1}}}});
            default: return handle(ClientWants{Client{1} + argument % 2, RecordKey{1, {argument}}});
        }
    }

 private:
    static Config config(bool by_majority) {
        Config config;
        config.by_majority = by_majority;
        config.nodes = {0, 1, 2};
        config.slots = 4;
        return config;
    }

    void message(Bytes bytes, uint8_t from) {
        Received received;
        if (!decode(bytes, received.message)) return;
        received.message.from = 1 + from % 2;
        received.message.to = 0;
        handle(std::move(received));
    }

    // A client that has got a record stores it and waits for the mirror, or lets it go.
    Event use(const GrantRecord& grant) {
        if (!stores_) return release(grant.key);
        Copy copy;
        ATOLL_ASSERT(node_.store.read(grant.key, copy));
        copy.sequence++;
        copy.value.push_back(1);
        node_.store.write(grant.key, copy);
        return ClientStored{grant.client, grant.key};
    }

    Event release(const RecordKey& key) {
        Copy copy;
        ATOLL_ASSERT(node_.store.read(key, copy));
        copy.holder = 0;
        node_.store.write(key, copy);
        return ClientReleased{key};
    }

    LoneCore node_;
    Time now_ = second;
    Term term_ = 0;
    ViewId written_ = 0;
    Client transactions_ = 0;
    uint64_t ballots_ = 0;
    bool stores_ = false;
};

}  // namespace
}  // namespace Atoll::ctdb::sim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    for (const bool by_majority : {false, true}) {
        ctdb::sim::Node node(by_majority);
        ByteReader in(Bytes(data, size));
        for (int steps = 0; steps < 200 && in.ok() && in.remaining() >= 2; steps++) node.step(in);
    }
    return 0;
}
