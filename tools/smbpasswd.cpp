// smbpasswd: users of the local account database. Messages are those of Debian's program, which scripts read.
#include <getopt.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "base/log.h"
#include "base/utf.h"
#include "conf/configuration.h"
#include "smbd/accounts/passdb.h"
#include "smbd/accounts/tokens.h"
#include "tools/password_input.h"

using namespace Atoll;

namespace {

constexpr const char* usage =
    "When run by root:\n"
    "    smbpasswd [options] [username]\n"
    "otherwise:\n"
    "    smbpasswd [options]\n\n"
    "options:\n"
    "  -L                   local mode (the only one there is)\n"
    "  -h                   print this usage message\n"
    "  -s                   use stdin for password prompt\n"
    "  -c smb.conf file     Use the given path to the smb.conf file\n"
    "  -D LEVEL             debug level\n"
    "  -U USER              username\n"
    "extra options when run by root:\n"
    "  -a                   add user\n"
    "  -d                   disable user\n"
    "  -e                   enable user\n"
    "  -n                   set no password\n"
    "  -x                   delete user\n";

struct Options {
    std::string config = conf::default_config_file;
    std::string user;
    bool add = false, disable = false, enable = false, no_password = false, remove = false, from_stdin = false;
};

[[noreturn]] void end_with_usage() {
    std::fputs(usage, stdout);
    std::exit(1);
}

[[noreturn]] void fail_with(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    std::exit(1);
}

Options parse(int argc, char** argv) {
    Options options;
    int option = 0;
    while ((option = ::getopt(argc, argv, "Lhsc:D:U:adenxr:imjw:WR:")) != -1) {
        switch (option) {
            case 'L': break;
            case 's': options.from_stdin = true; break;
            case 'c': options.config = optarg; break;
            case 'D': log_set_level(std::atoi(optarg)); break;
            case 'U': options.user = optarg; break;
            case 'a': options.add = true; break;
            case 'd': options.disable = true; break;
            case 'e': options.enable = true; break;
            case 'n': options.no_password = true; break;
            case 'x': options.remove = true; break;
            case 'r': fail_with("smbpasswd: -r is not supported: passwords of another server are changed there");
            case 'i':
            case 'm': fail_with("smbpasswd: trust accounts are not supported");
            case 'j':
            case 'w':
            case 'W':
            case 'R': fail_with(std::string("smbpasswd: -") + static_cast<char>(option) + " is not supported");
            default: end_with_usage();
        }
    }
    if (argc - optind > 1) end_with_usage();
    if (optind < argc) options.user = argv[optind];
    const size_t domain_end = options.user.find_last_of("/\\");
    if (domain_end != std::string::npos) options.user.erase(0, domain_end + 1);
    if (options.user.empty()) {
        const auto self = accounts::find_unix_user(::getuid());
        if (!self) fail_with("smbpasswd: who is to be changed? The user who runs this has no name.");
        options.user = self->name;
    }
    if (int(options.disable) + int(options.enable) + int(options.remove) > 1) end_with_usage();
    return options;
}

// The account of the options, or a new one of a UNIX user if it is to be added; `is_new` says which.
accounts::Account get_account(accounts::Passdb& passdb, const Options& options, const conf::GlobalConf& global, bool& is_new) {
    auto found = passdb.find(options.user);
    if (!found) fail_with(found.error().message());
    is_new = !found->has_value();
    if (!is_new) return **found;
    // Debian's program has two texts for the same thing.
    if (options.enable) fail_with("Failed to find user " + options.user + " in passdb backend.");
    if (!options.add) fail_with("Failed to find entry for user " + options.user + ".");
    const auto unix_user = accounts::find_unix_user(options.user);
    if (!unix_user) fail_with("Failed to add entry for user " + options.user + ".");
    return accounts::new_account(unix_user->name, unix_user->full_name, global.netbios_name);
}

void ask_password(accounts::Account& account, const Options& options) {
    const auto answer = tools::read_password_twice(options.from_stdin, "New SMB password:", "Retype new SMB password:");
    if (answer.error == tools::PasswordError::mismatch) std::fputs("Mismatch - password unchanged.\n", stderr);
    if (answer.error != tools::PasswordError::none) fail_with("Unable to get new password.");
    const auto hash = auth::nt_hash(answer.password);
    if (!hash) fail_with("The password is not valid UTF-8: password unchanged.");
    accounts::set_password(account, *hash, static_cast<uint32_t>(::time(nullptr)));
    // A new password enables the account again, as Debian's program has it.
    account.flags &= ~accounts::account_flags::disabled;
}

void change(accounts::Account& account, const Options& options, bool is_new) {
    namespace flags = accounts::account_flags;
    const bool asks = !options.disable && !options.enable && !options.no_password;
    if (asks) ask_password(account, options);
    if (options.no_password) account.flags |= flags::password_not_required | (is_new ? flags::disabled : 0);
    if (options.disable) account.flags |= flags::disabled;
    if (options.enable) account.flags &= ~flags::disabled;
}

void tell(const Options& options, bool is_new) {
    const char* user = options.user.c_str();
    if (is_new) {
        std::printf("Added user %s.\n", user);
    } else if (options.disable) {
        std::printf("Disabled user %s.\n", user);
    } else if (options.enable) {
        std::printf("Enabled user %s.\n", user);
    } else if (options.no_password) {
        std::printf("User %s password set to none.\n", user);
    }
}

}  // namespace

int main(int argc, char** argv) {
    log_set_process("smbpasswd");
    const Options options = parse(argc, argv);
    conf::LoadOptions load;
    load.file = options.config;
    const auto configuration = conf::load(load);
    if (!configuration) fail_with(configuration.error().message());
    const conf::GlobalConf& global = (*configuration)->global();
    auto passdb = accounts::open_passdb(global);
    if (!passdb) fail_with(passdb.error().message());

    if (options.remove) {
        const auto removed = (*passdb)->remove(options.user);
        if (!removed) fail_with(removed.error().message());
        if (!*removed) fail_with("Failed to find entry for user " + options.user + ".");
        std::printf("Deleted user %s.\n", options.user.c_str());
        return 0;
    }
    bool is_new = false;
    accounts::Account account = get_account(**passdb, options, global, is_new);
    change(account, options, is_new);
    // The RIDs of the database mean something only with the machine's SID.
    if (const auto sid = accounts::machine_sid(global); !sid) fail_with(sid.error().message());
    const auto stored = is_new ? (*passdb)->add(account) : (*passdb)->update(account);
    if (!stored) fail_with(stored.error().message());
    tell(options, is_new);
    return 0;
}
