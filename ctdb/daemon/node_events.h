// The events of this node: what runs them, when it is monitored, and who is notified of its health.
#pragma once

#include <functional>

#include "ctdb/daemon/fence.h"
#include "ctdb/daemon/settings.h"
#include "ctdb/daemon/tunables.h"
#include "ctdb/events/event_runner.h"

namespace Atoll::ctdb {

class NodeEvents {
 public:
    // `monitored` is told the outcome of each monitor event.
    NodeEvents(loop::Loop& loop, const Settings& settings, const Tunables& tunables, Fence fence,
               std::function<void(bool healthy)> monitored);

    // Of CTDB_BASE/events/legacy, with the time that EventScriptTimeout gives.
    void run(const std::string& event, EventRunner::Arguments arguments, EventRunner::Done done);
    void run(const std::string& event, EventRunner::Arguments arguments, std::chrono::seconds limit, EventRunner::Done done);
    void run(const std::string& event);
    // From now on, and at once.
    void monitor();
    // Scripts of CTDB_BASE/events/notification.
    void notify(const std::string& what);

    [[nodiscard]] const EventRunner& runner() const { return runner_; }

 private:
    void monitor_now();
    void monitored(const EventOutcome& outcome);

    const Tunables& tunables_;
    std::function<void(bool)> monitored_;
    EventRunner runner_;
    EventRunner notifications_;
    loop::Timer next_monitor_;
    std::chrono::seconds pause_{1};
    unsigned timed_out_ = 0;  // monitor events in a row
    bool healthy_ = false;
};

}  // namespace Atoll::ctdb
