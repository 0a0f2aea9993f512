// pdbedit: lists and changes the account database. Output and messages are those of Debian's program, which scripts read.
#include <getopt.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <optional>
#include <string>

#include "base/log.h"
#include "conf/configuration.h"
#include "smbd/accounts/activity.h"
#include "smbd/accounts/passdb.h"
#include "smbd/accounts/tokens.h"
#include "tools/account_listing.h"
#include "tools/password_input.h"

using namespace Atoll;
using accounts::Account;

namespace {

constexpr int failure = 255;

enum LongOption : int { set_nt_hash = 256 };

const option long_options[] = {{"list", no_argument, nullptr, 'L'},
                               {"verbose", no_argument, nullptr, 'v'},
                               {"smbpasswd-style", no_argument, nullptr, 'w'},
                               {"user", required_argument, nullptr, 'u'},
                               {"account-desc", required_argument, nullptr, 'N'},
                               {"fullname", required_argument, nullptr, 'f'},
                               {"homedir", required_argument, nullptr, 'h'},
                               {"drive", required_argument, nullptr, 'D'},
                               {"script", required_argument, nullptr, 'S'},
                               {"profile", required_argument, nullptr, 'p'},
                               {"domain", required_argument, nullptr, 'I'},
                               {"user SID", required_argument, nullptr, 'U'},
                               {"create", no_argument, nullptr, 'a'},
                               {"modify", no_argument, nullptr, 'r'},
                               {"delete", no_argument, nullptr, 'x'},
                               {"backend", required_argument, nullptr, 'b'},
                               {"import", required_argument, nullptr, 'i'},
                               {"export", required_argument, nullptr, 'e'},
                               {"account-control", required_argument, nullptr, 'c'},
                               {"bad-password-count-reset", no_argument, nullptr, 'z'},
                               {"logon-hours-reset", no_argument, nullptr, 'Z'},
                               {"password-from-stdin", no_argument, nullptr, 't'},
                               {"kickoff-time", required_argument, nullptr, 'K'},
                               {"set-nt-hash", required_argument, nullptr, set_nt_hash},
                               {"configfile", required_argument, nullptr, 's'},
                               {"debuglevel", required_argument, nullptr, 'd'},
                               {"help", no_argument, nullptr, '?'},
                               {nullptr, 0, nullptr, 0}};

constexpr const char* usage =
    "Usage: pdbedit [OPTION...]\n"
    "  -L, --list                            list all users\n"
    "  -v, --verbose                         be verbose\n"
    "  -w, --smbpasswd-style                 give output in smbpasswd style\n"
    "  -u, --user=USER                       use username\n"
    "  -N, --account-desc=STRING             set account description\n"
    "  -f, --fullname=STRING                 set full name\n"
    "  -h, --homedir=STRING                  set home directory\n"
    "  -D, --drive=STRING                    set home drive\n"
    "  -S, --script=STRING                   set logon script\n"
    "  -p, --profile=STRING                  set profile path\n"
    "  -I, --domain=STRING                   set a users' domain\n"
    "  -U, --user SID=STRING                 set user SID or RID (new users)\n"
    "  -a, --create                          create user\n"
    "  -r, --modify                          modify user\n"
    "  -x, --delete                          delete user\n"
    "  -b, --backend=STRING                  use different passdb backend as default backend\n"
    "  -i, --import=STRING                   import user accounts from this backend\n"
    "  -e, --export=STRING                   export user accounts to this backend\n"
    "  -c, --account-control=STRING          Values of account control\n"
    "  -z, --bad-password-count-reset        reset bad password count\n"
    "  -Z, --logon-hours-reset               reset logon hours\n"
    "  -t, --password-from-stdin             get password from standard in\n"
    "  -K, --kickoff-time=STRING             set the kickoff time (seconds since 1970, or never)\n"
    "      --set-nt-hash=STRING              set password from nt-hash\n"
    "  -s, --configfile=CONFIGFILE           Use alternative configuration file\n"
    "  -d, --debuglevel=DEBUGLEVEL           Set debug level\n";

struct Options {
    std::map<int, std::string> given;  // by the option's letter
    std::string user;

    [[nodiscard]] bool has(int letter) const { return given.contains(letter); }
    [[nodiscard]] std::string get(int letter) const {
        const auto at = given.find(letter);
        return at == given.end() ? std::string() : at->second;
    }
    // Is there anything that changes an account?
    [[nodiscard]] bool changes() const {
        for (const int letter : {int{'N'}, int{'f'}, int{'h'}, int{'D'}, int{'S'}, int{'p'}, int{'I'}, int{'c'}, int{'z'}, int{'Z'},
                                 int{'K'}, int{set_nt_hash}}) {
            if (has(letter)) return true;
        }
        return false;
    }
};

[[noreturn]] void fail_with(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    std::exit(failure);
}

Options parse(int argc, char** argv) {
    Options options;
    int letter = 0;
    while ((letter = ::getopt_long(argc, argv, "Lvwu:N:f:h:D:S:p:I:U:arxb:i:e:c:zZtK:s:d:", long_options, nullptr)) != -1) {
        if (letter == '?') {
            std::fputs(usage, stderr);
            std::exit(1);
        }
        options.given[letter] = optarg != nullptr ? optarg : "";
    }
    if (argc < 2) {
        std::fputs(usage, stderr);
        std::exit(1);
    }
    options.user = options.get('u');
    if (options.user.empty() && optind < argc) options.user = argv[optind];
    if (options.has('d')) log_set_level(std::atoi(options.get('d').c_str()));
    return options;
}

std::vector<uint8_t> hash_argument(const std::string& text) {
    std::vector<uint8_t> hash;
    if (text.size() != 32 || text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) fail_with("Invalid hash");
    for (size_t i = 0; i < text.size(); i += 2) hash.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    return hash;
}

void apply_texts(Account& account, const Options& options) {
    const std::pair<int, std::string*> texts[] = {{'N', &account.description}, {'f', &account.full_name},    {'h', &account.home_directory},
                                                  {'D', &account.home_drive},  {'S', &account.logon_script}, {'p', &account.profile_path},
                                                  {'I', &account.domain}};
    for (const auto& [letter, text] : texts) {
        if (options.has(letter)) *text = options.get(letter);
    }
}

void apply(Account& account, const Options& options) {
    namespace flags = accounts::account_flags;
    apply_texts(account, options);
    if (options.has('c')) {
        constexpr uint32_t settable =
            flags::password_not_required | flags::disabled | flags::home_required | flags::auto_locked | flags::password_never_expires;
        const auto wanted = accounts::parse_flags(options.get('c'));
        if (!wanted) fail_with("Invalid account control: " + options.get('c'));
        account.flags = (account.flags & ~settable) | (*wanted & settable);
    }
    if (options.has('z')) account.bad_password_count = 0, account.bad_password_time = 0;
    if (options.has('Z')) account.logon_hours = accounts::new_account("", "", "").logon_hours;
    if (options.has('K')) {
        const std::string when = options.get('K');
        if (when != "never" && (when.empty() || when.find_first_not_of("0123456789") != std::string::npos))
            fail_with("Failed to parse kickoff time: " + when);
        account.kickoff_time = when == "never" ? accounts::never : static_cast<uint32_t>(std::stoul(when));
    }
    if (options.has(set_nt_hash)) {
        auth::NtHash hash;
        const auto bytes = hash_argument(options.get(set_nt_hash));
        std::copy(bytes.begin(), bytes.end(), hash.begin());
        accounts::set_password(account, hash, static_cast<uint32_t>(::time(nullptr)));
    }
    accounts::settle_password_expiry(account, account.password_last_set);
}

class Session {
 public:
    Session(const Options& options, const conf::GlobalConf& global) : options_(options), global_(global) {
        auto opened = accounts::open_passdb(global, options.get('b'));
        if (!opened) fail_with(opened.error().message() + "\nCan't initialize passdb backend.");
        passdb_ = std::move(*opened);
        auto sid = accounts::machine_sid(global);
        if (!sid) fail_with(sid.error().message());
        domain_sid_ = *sid;
    }

    int run() {
        if (options_.has('i') || options_.has('e')) return transfer();
        const bool needs_user = options_.has('a') || options_.has('r') || options_.has('x') || options_.changes();
        if (needs_user && options_.user.empty()) fail_with("Username not specified! (use -u option)");
        if (options_.has('x')) return remove();
        if (options_.has('a')) return add();
        if (options_.has('r') || options_.changes()) return modify();
        return options_.user.empty() ? list_all() : list_one();
    }

 private:
    void print(const Account& account, bool among_many) {
        std::string text;
        if (options_.has('v') || !(options_.has('L') || options_.has('w'))) {
            if (among_many) text = "---------------\n";
            text += tools::verbose_block(with_last_logon(account), global_, domain_sid_, options_.has('w'));
        } else {
            text = options_.has('w') ? tools::smbpasswd_line(account) : tools::brief_line(account);
        }
        std::fputs(text.c_str(), stdout);
    }

    // The server notes log-ons in its own durable state.
    Account with_last_logon(Account account) {
        const auto activity = accounts::activity_of(durable_, domain_sid_.with_rid(account.rid));
        if (!activity) {
            log_warning("{}", activity.error().message());
        } else if (*activity) {
            account.logon_time = std::max(account.logon_time, static_cast<uint32_t>((*activity)->last_logon.to_timespec().tv_sec));
        }
        return account;
    }

    std::optional<Account> find(const std::string& user) {
        auto found = passdb_->find(user);
        if (!found) fail_with(found.error().message());
        return std::move(*found);
    }

    int list_all() {
        if (!options_.has('L') && !options_.has('v') && !options_.has('w')) {
            std::fputs(usage, stderr);
            return 1;
        }
        const auto all = passdb_->all();
        if (!all) fail_with(all.error().message());
        for (const Account& account : *all) print(account, true);
        return 0;
    }

    int list_one() {
        const auto account = find(options_.user);
        if (!account) fail_with("Username not found!");
        print(*account, false);
        return 0;
    }

    int remove() {
        const auto removed = passdb_->remove(options_.user);
        if (!removed) fail_with(removed.error().message());
        if (!*removed) fail_with("user " + options_.user + " does not exist in the passdb");
        return 0;
    }

    int modify() {
        if (options_.has('U')) fail_with("pdbedit: -U is for new users: the SID of an account is not changed");
        auto account = find(options_.user);
        if (!account) fail_with("Username not found!");
        apply(*account, options_);
        if (auto stored = passdb_->update(*account); !stored) fail_with(stored.error().message());
        std::fputs(tools::verbose_block(*account, global_, domain_sid_, options_.has(set_nt_hash)).c_str(), stdout);
        return 0;
    }

    uint32_t wanted_rid() const {
        const std::string text = options_.get('U');
        if (text.empty()) return 0;
        if (const auto sid = parse_sid(text); sid && sid->is_in_domain(domain_sid_)) return sid->rid();
        if (text.find_first_not_of("0123456789") != std::string::npos || text.size() > 9) fail_with("Failed to parse SID " + text);
        return static_cast<uint32_t>(std::stoul(text));
    }

    int add() {
        auto known = find(options_.user);
        const auto unix_user = accounts::find_unix_user(options_.user);
        if (!known && !unix_user) fail_with("Failed to add entry for user " + options_.user + ".");
        Account account = known ? *known : accounts::new_account(unix_user->name, unix_user->full_name, global_.netbios_name);
        const auto answer = tools::read_password_twice(options_.has('t'), "new password:", "retype new password:");
        if (answer.error == tools::PasswordError::unreadable) fail_with("Failed to read passwords.");
        if (answer.error == tools::PasswordError::mismatch) fail_with("Passwords do not match!");
        const auto hash = auth::nt_hash(answer.password);
        if (!hash) fail_with("The password is not valid UTF-8");
        accounts::set_password(account, *hash, static_cast<uint32_t>(::time(nullptr)));
        apply(account, options_);
        if (!known) account.rid = wanted_rid();
        const auto stored = known ? passdb_->update(account) : passdb_->add(account);
        if (!stored) fail_with(stored.error().message());
        std::fputs(tools::verbose_block(account, global_, domain_sid_, false).c_str(), stdout);
        return 0;
    }

    // All accounts, or one, from one backend to the other; those that are there are replaced.
    int transfer() {
        if (options_.has('i') && options_.has('e')) passdb_.reset();  // one of them may be its file, which is opened once
        auto from = options_.has('i') ? open(options_.get('i')) : std::move(passdb_);
        auto to = options_.has('e') ? open(options_.get('e')) : std::move(passdb_);
        const auto all = from->all();
        if (!all) fail_with(all.error().message());
        int result = 0;
        for (Account account : *all) {
            if (!options_.user.empty() && account.user != options_.user) continue;
            const auto known = to->find(account.user);
            if (!known) fail_with(known.error().message());
            if (*known) account.rid = (*known)->rid;
            const auto stored = *known ? to->update(account) : to->add(account);
            std::printf("Importing account for %s...%s\n", account.user.c_str(), stored ? "ok" : "failed");
            if (stored) continue;
            std::fprintf(stderr, "%s\n", stored.error().message().c_str());
            result = failure;
        }
        return result;
    }

    std::unique_ptr<accounts::Passdb> open(const std::string& backend) const {
        auto opened = accounts::open_passdb(global_, backend);
        if (!opened) fail_with(opened.error().message() + "\nUnable to initialize " + backend + ".");
        return std::move(*opened);
    }

    const Options& options_;
    const conf::GlobalConf& global_;
    committer::DurableStore durable_{global_.state_directory, global_.lock_directory};
    std::unique_ptr<accounts::Passdb> passdb_;
    Sid domain_sid_;
};

}  // namespace

int main(int argc, char** argv) {
    log_set_process("pdbedit");
    const Options options = parse(argc, argv);
    conf::LoadOptions load;
    if (options.has('s')) load.file = options.get('s');
    const auto configuration = conf::load(load);
    if (!configuration) fail_with(configuration.error().message());
    return Session(options, (*configuration)->global()).run();
}
