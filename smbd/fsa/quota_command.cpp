#include "smbd/fsa/quota_command.h"

#include <pwd.h>

#include <algorithm>

#include "smbd/fsa/command.h"
#include "smbd/fsa/limits.h"

namespace Atoll::fsa {

namespace {

constexpr std::string_view of_user = "2", of_users = "1";
constexpr uint64_t default_unit = 1024;  // bytes of a block

struct Answer {
    vfs::QuotaState state = vfs::QuotaState::off;
    vfs::Quota quota;
    int64_t files_soft = 0, files_hard = 0;
};

// Flags, blocks used, soft and hard limit, the same of inodes, and perhaps the size of a block.
Result<Answer, int> parse(std::string_view output) {
    constexpr size_t least = 7;
    const auto columns = numbers_of_line(output);
    if (columns.size() < least) return EIO;
    if (std::ranges::any_of(columns, [](int64_t n) { return n < 0; }) || columns[0] > 2) return EIO;
    const uint64_t unit = columns.size() > least && columns[least] > 0 ? static_cast<uint64_t>(columns[least]) : default_unit;
    const auto bytes = [&](size_t i) {
        const auto n = static_cast<uint64_t>(columns[i]);
        return n > INT64_MAX / unit ? uint64_t{INT64_MAX} : n * unit;
    };
    Answer answer;
    answer.state = static_cast<vfs::QuotaState>(columns[0]);
    answer.quota.used = bytes(1);
    answer.quota.limits = {bytes(2), bytes(3)};
    answer.files_soft = columns[5];
    answer.files_hard = columns[6];
    return answer;
}

class CommandQuotas final : public vfs::Quotas {
 public:
    CommandQuotas(const vfs::File& root, std::string get, std::string set) : root_(root), get_(std::move(get)), set_(std::move(set)) {}

    bool kept() override { return true; }

    Result<vfs::QuotaState, int> state() override {
        auto answer = ask(of_users, "-1");
        if (!answer) return answer.failure();
        if (answer->state == vfs::QuotaState::off) return EOPNOTSUPP;
        return answer->state;
    }

    Result<vfs::Quota, int> of(uid_t uid) override {
        auto answer = ask(of_user, std::to_string(uid));
        if (!answer) return answer.failure();
        answer->quota.uid = uid;
        return answer->quota;
    }

    Result<vfs::Quota, int> next(uid_t from) override {
        if (from == 0) list_users();
        for (auto uid = std::ranges::lower_bound(uids_, from); uid != uids_.end(); ++uid) {
            auto quota = of(*uid);
            if (quota && (quota->used != 0 || quota->has_limits())) return quota;
        }
        return ENOENT;
    }

    Result<void, int> set(uid_t uid, const vfs::QuotaLimits& limits) override {
        auto now = ask(of_user, std::to_string(uid));
        if (!now) return now.failure();
        return tell(of_user, std::to_string(uid), now->state, limits, *now);
    }

    Result<vfs::QuotaLimits, int> defaults() override {
        auto answer = ask(of_users, "-1");
        if (!answer) return answer.failure();
        return answer->quota.limits;
    }

    Result<void, int> set_defaults(vfs::QuotaState state, const vfs::QuotaLimits& limits) override {
        auto now = ask(of_users, "-1");
        if (!now) return now.failure();
        return tell(of_users, "-1", state, limits, *now);
    }

 private:
    Result<Answer, int> ask(std::string_view type, std::string id) {
        const std::vector<std::string> arguments{".", std::string(type), std::move(id)};
        auto output = run_command(get_, arguments, root_.fd.get());
        if (!output) return output.failure();
        return parse(*output);
    }

    Result<void, int> tell(std::string_view type, std::string id, vfs::QuotaState state, const vfs::QuotaLimits& limits,
                           const Answer& now) {
        if (set_.empty()) return EOPNOTSUPP;
        const auto blocks = [](uint64_t bytes) { return std::to_string(bytes / default_unit + (bytes % default_unit != 0)); };
        const std::vector<std::string> arguments{".",
                                                 std::string(type),
                                                 std::move(id),
                                                 std::to_string(static_cast<int>(state)),
                                                 blocks(limits.soft),
                                                 blocks(limits.hard),
                                                 std::to_string(now.files_soft),
                                                 std::to_string(now.files_hard),
                                                 std::to_string(default_unit)};
        auto output = run_command(set_, arguments, root_.fd.get());
        if (!output) return output.failure();
        if (output->empty()) return EIO;  // what smb.conf(5) says of a failure
        return {};
    }

    // Which users there are only the user database knows.
    void list_users() {
        uids_.clear();
        ::setpwent();
        while (const passwd* user = ::getpwent()) {
            if (uids_.size() == limits::max_command_users) break;
            uids_.push_back(user->pw_uid);
        }
        ::endpwent();
        std::ranges::sort(uids_);
    }

    const vfs::File& root_;
    std::string get_, set_;
    std::vector<uid_t> uids_;
};

}  // namespace

std::unique_ptr<vfs::Quotas> command_quotas(const vfs::File& root, std::string get, std::string set) {
    return std::make_unique<CommandQuotas>(root, std::move(get), std::move(set));
}

}  // namespace Atoll::fsa
