#include "smbd/accounts/activity.h"

#include "base/limits.h"
#include "base/log.h"
#include "idl/level.h"

namespace Atoll::accounts {

void ActivityNotes::logged_on(const Sid& account, const std::string& user, const std::string& peer_address) {
    const Monotonic now = monotonic_now();
    const auto former = noted_.find(account);
    if (former != noted_.end() && now - former->second < std::chrono::seconds(limits::logon_note_seconds)) return;
    account_activity activity;
    activity.user = user;
    activity.last_logon = NtTime::now();
    activity.peer_address = peer_address;
    Buffer encoded;
    encode(activity, encoded, idl::written_level());
    committer::Batch batch;
    batch.store(activity_database, as_bytes(to_string(account)), encoded);
    const auto submitted = commits_.submit(batch, [user](const Result<void>& done) {
        if (!done) log_warning("the log-on of {} is not noted: {}", user, done.error().message());
    });
    if (!submitted) return log_warning("the log-on of {} is not noted: {}", user, submitted.error().message());
    noted_[account] = now;
}

Result<std::optional<account_activity>> activity_of(committer::DurableStore& store, const Sid& account) {
    Buffer value;
    const auto found = store.database(activity_database)->fetch(as_bytes(to_string(account)), value);
    if (!found) {
        // Where no server has run yet there is no file.
        if (found.error().code == Code::not_found) return std::optional<account_activity>{};
        return found.failure();
    }
    if (!*found) return std::optional<account_activity>{};
    auto activity = idl::decode<account_activity>(value);
    if (!activity) return activity.failure();
    return std::optional(std::move(*activity));
}

}  // namespace Atoll::accounts
