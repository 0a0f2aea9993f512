#include "tdb/committer/judge.h"

#include <algorithm>

namespace Atoll::committer {
namespace {

constexpr size_t max_text = 256;  // of an answer

bool holds(const change& condition, Standing& standing, answer& reply) {
    bool same = false;
    const bool compare = condition.kind == change_kind::EXPECT_VALUE;
    const auto found = standing.look(condition.database, condition.key, [&](Bytes value) {
        same = !compare || std::equal(value.begin(), value.end(), condition.value.begin(), condition.value.end());
    });
    if (!found) {
        reply_with(reply, found.error());
        return false;
    }
    const bool wants_none = condition.kind == change_kind::INSERT || condition.kind == change_kind::EXPECT_ABSENT;
    if (wants_none && *found) reply_with(reply, outcome::FOUND, condition.database + ": the record is there already");
    if (!wants_none && !*found) reply_with(reply, outcome::NOT_FOUND, condition.database + ": no such record");
    if (!wants_none && *found && !same) reply_with(reply, outcome::CHANGED, condition.database + ": the record has been changed");
    return reply.result == outcome::COMMITTED;
}

}  // namespace

bool is_condition(change_kind kind) {
    return kind != change_kind::STORE && kind != change_kind::REMOVE && kind != change_kind::WIPE;
}

bool changes_something(change_kind kind) {
    return kind != change_kind::EXPECT_VALUE && kind != change_kind::EXPECT_PRESENT && kind != change_kind::EXPECT_ABSENT;
}

bool changes_something(const batch& request) {
    return std::any_of(request.changes.begin(), request.changes.end(), [](const change& c) { return changes_something(c.kind); });
}

void reply_with(answer& reply, outcome result, std::string text) {
    reply.result = result;
    reply.text = std::move(text);
    if (reply.text.size() > max_text) reply.text.resize(max_text);
}

void reply_with(answer& reply, const Error& error) {
    reply_with(reply, error.code == Code::no_space ? outcome::NO_SPACE : outcome::IO_ERROR, error.text);
}

void judge(const batch& request, Standing& standing, answer& reply) {
    reply = {};
    reply.number = request.number;
    if (request.changes.empty()) return reply_with(reply, outcome::REFUSED, "an empty batch");
    for (const change& wanted : request.changes) {
        if (!standing.has(wanted.database))
            return reply_with(reply, outcome::REFUSED, "there is no durable database '" + wanted.database + "'");
        if (wanted.key.empty() != (wanted.kind == change_kind::WIPE))
            return reply_with(reply, outcome::REFUSED, wanted.database + ": a key that cannot be");
        if (is_condition(wanted.kind) && !holds(wanted, standing, reply)) return;
        reply.which++;
    }
    reply.which = 0;
}

}  // namespace Atoll::committer
