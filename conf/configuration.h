// smb.conf as the server uses it: an immutable Configuration, replaced as a whole on reload. Readers keep a shared_ptr and see one
// consistent state; everything in it is const and may be read from any thread. What the server needs often stands in GlobalConf and
// ShareConf as typed, already parsed values (a member read); everything else is found by name.
//
// Strings that may hold %-macros are kept as written, except where noted: expand them (conf/macros.h) when the values are known, and
// keep the result. Source: smb.conf(5).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "conf/macros.h"
#include "conf/parameter.h"
#include "conf/paths.h"

namespace Atoll::conf {

// Dialects as smb.conf names them; the SMB2 values are the wire's (MS-SMB2 2.2.3). They compare in the order of their age.
enum class Protocol : uint16_t {
    core = 1,
    coreplus = 2,
    lanman1 = 3,
    lanman2 = 4,
    nt1 = 5,
    smb2_02 = 0x0202,
    smb2_10 = 0x0210,
    smb3_00 = 0x0300,
    smb3_02 = 0x0302,
    smb3_11 = 0x0311,
};
enum class Demand : uint8_t { by_default, off, if_required, desired, required };  // of signing and sealing
enum class MapToGuest : uint8_t { never, bad_user, bad_password, bad_uid };
enum class NtlmAuth : uint8_t { disabled, ntlmv2_only, ntlmv1_permitted, mschapv2_and_ntlmv2_only };
enum class KerberosMethod : uint8_t { secrets_only, system_keytab, dedicated_keytab, secrets_and_keytab };
enum class Tristate : uint8_t { no, yes, by_itself };  // by_itself is `auto`
enum class LetterCase : uint8_t { lower, upper };
enum class MapReadonly : uint8_t { no, yes, permissions };
enum class InheritOwner : uint8_t { no, windows_and_unix, unix_only };
enum class CscPolicy : uint8_t { manual, documents, programs, disable };  // the values of MS-SMB2 2.2.10's ShareFlags, over 0x10
enum class MangledNames : uint8_t { no, illegal, yes };
enum class Cipher : uint16_t { aes_128_ccm = 1, aes_128_gcm = 2, aes_256_ccm = 3, aes_256_gcm = 4 };  // MS-SMB2 2.2.3.1.2
enum class Signing : uint16_t { hmac_sha256 = 0, aes_cmac = 1, aes_gmac = 2 };                        // MS-SMB2 2.2.3.1.7

// Values of one section over the defaults: for a share those of [global]'s share parameters that stood above it in the file, else the
// table's.
class Section {
 public:
    Section() = default;
    [[nodiscard]] const std::string& name() const { return name_; }
    // The value in force: this section's, else the one it inherits.
    [[nodiscard]] const Value& value(ParameterId id) const;
    // What value() would be without this section's own lines.
    [[nodiscard]] const Value& inherited_value(ParameterId id) const { return defaults_ ? defaults_->value(id) : default_value(id); }
    // The value of a [global] parameter for the configuration that this section belongs to.
    [[nodiscard]] const Value& global_value(ParameterId id) const { return global_ ? global_->value(id) : value(id); }
    // By name or synonym, as text (`writeable` is the inverse of `read only`); nullopt for a name that the table does not have.
    [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
    // `module:option`, case and blanks not counting; this section's, else [global]'s.
    [[nodiscard]] std::optional<std::string> option(std::string_view name) const;
    [[nodiscard]] bool option_boolean(std::string_view name, bool otherwise) const;  // otherwise: not set, or neither yes nor no
    [[nodiscard]] int64_t option_integer(std::string_view name, int64_t otherwise) const;

    // Set by this section's own lines or by `copy`.
    [[nodiscard]] bool is_set(ParameterId id) const { return values_.contains(id); }
    // Set under a name that is not an inverse synonym, and not from the command line: Debian's testparm shows only those of [global].
    [[nodiscard]] bool is_set_by_name(ParameterId id) const { return by_name_.contains(id); }

    struct Option {
        std::string name;  // lower case, as first written
        std::string value;
    };
    [[nodiscard]] std::span<const Option> own_options() const { return options_; }  // in the order of the file

 private:
    friend class Loader;
    friend class Configuration;
    [[nodiscard]] const Option* own_option(std::string_view name) const;
    void set_option(std::string_view name, std::string value);

    std::string name_;
    std::string where_;  // "file:line" of its header
    std::map<ParameterId, Value> values_;
    std::set<ParameterId> explicit_;  // of values_: set by a line, which a later `copy` does not touch
    std::set<ParameterId> by_name_;
    std::vector<Option> options_;
    std::shared_ptr<const Section> defaults_;  // what it inherits: [global] as it was when the section began; null: the table
    std::shared_ptr<const Section> global_;    // [global] as it is at the end, for options; null for [global]
};

struct GlobalConf {
    Section section;

    // names
    std::string workgroup;  // upper case
    std::string realm;
    std::string server_string;  // macros
    std::string netbios_name;   // upper case, at most 15 bytes; from the host's name if not set
    Names netbios_aliases;

    // network
    Protocol server_min_protocol = Protocol::smb2_02, server_max_protocol = Protocol::smb3_11;
    Protocol client_min_protocol = Protocol::smb2_02, client_max_protocol = Protocol::smb3_11;
    std::vector<uint16_t> smb_ports;
    Names interfaces;  // empty: all
    bool bind_interfaces_only = false;
    std::string socket_options;
    uint32_t deadtime_minutes = 0;  // 0: never
    uint32_t keepalive_seconds = 0;
    uint32_t max_open_files = 0;
    uint32_t max_smbd_processes = 0;  // 0: no limit
    bool disable_netbios = false;
    bool server_multi_channel_support = true;
    bool smb2_leases = true;
    bool persistent_handles = true;  // ours
    uint32_t smb2_max_read = 0, smb2_max_write = 0, smb2_max_trans = 0;  // bytes
    uint32_t smb2_max_credits = 0;
    bool smb2_disable_lock_sequence_checking = false;
    bool smb2_disable_oplock_break_retry = false;
    bool clustering = false;
    Names cluster_addresses;
    std::string ctdbd_socket;

    // directories and files; %h, %L and the like already expanded
    std::string lock_directory, state_directory, cache_directory, private_dir, pid_directory, ncalrpc_dir;
    std::string log_file;           // macros; empty: the server's choice
    std::string log_level;          // "1 auth:5"
    int log_level_number = 1;       // the one for all classes
    uint32_t max_log_size_kib = 0;  // 0: never rotated
    std::string panic_action;

    // accounts and log-on
    std::string passdb_backend;  // "tdbsam", "tdbsam:/path", "lmdb", "smbpasswd"
    std::string smb_passwd_file;
    std::string username_map;  // path
    uint32_t username_level = 0;
    std::string username_map_script;
    MapToGuest map_to_guest = MapToGuest::never;
    std::string guest_account;
    int restrict_anonymous = 0;  // 0, 1, 2
    bool null_passwords = false;
    bool lanman_auth = false;
    NtlmAuth ntlm_auth = NtlmAuth::ntlmv2_only;
    bool obey_pam_restrictions = false;
    bool enable_privileges = true;
    uint32_t algorithmic_rid_base = 1000;
    uint32_t min_domain_uid = 1000;
    KerberosMethod kerberos_method = KerberosMethod::secrets_only;
    std::string dedicated_keytab_file;
    [[nodiscard]] bool takes_kerberos() const {
        return kerberos_method == KerberosMethod::system_keytab || kerberos_method == KerberosMethod::dedicated_keytab;
    }
    std::string winbind_separator;

    // security of the wire
    Demand server_signing = Demand::by_default, client_signing = Demand::by_default;
    Demand server_smb_encrypt = Demand::by_default;         // for the whole server; a share may ask for more
    std::vector<Cipher> server_smb3_encryption_algorithms;  // in the order of preference
    std::vector<Signing> server_smb3_signing_algorithms;

    // other
    std::string unix_charset, dos_charset;
    bool allow_insecure_wide_links = false;
    bool host_msdfs = true;
    bool load_printers = true;
    bool enable_core_files = true;
    bool use_mmap = true;
    bool hostname_lookups = false;
    bool kernel_change_notify = true;
    bool change_notify = true;
    bool browse_list = true;
    bool nt_pipe_support = true;
    uint32_t aio_max_threads = 100;
    uint32_t lock_spin_time_ms = 0;
    uint32_t oplock_break_wait_time_ms = 0;
    std::string default_service;
    Names preload_modules;
};

struct ShareConf {
    Section section;
    std::string name;  // as the section header writes it; compare names with find_share

    // what it is
    std::string path;  // macros
    std::string comment, volume, fstype;
    int64_t volume_serial_number = -1;  // -1: derived from the name
    bool available = true, browseable = true, printable = false, administrative_share = false;
    uint32_t max_connections = 0;                                // 0: no limit
    std::string root_preexec, root_postexec, preexec, postexec;  // commands, macros
    bool root_preexec_close = false, preexec_close = false;

    // who may
    bool read_only = true, guest_ok = false, guest_only = false;
    Names valid_users, invalid_users, read_list, write_list, admin_users;  // for user_in_list; macros
    std::string force_user, force_group;                                   // macros
    Names hosts_allow, hosts_deny;                                         // for host_allowed
    bool access_based_share_enum = false;
    Demand smb_encrypt = Demand::by_default;

    // modes and owners
    uint32_t create_mask = 0, force_create_mode = 0, directory_mask = 0, force_directory_mode = 0;  // mode bits
    bool inherit_permissions = false, inherit_acls = false;
    InheritOwner inherit_owner = InheritOwner::no;
    bool force_unknown_acl_user = false, nt_acl_support = true, acl_map_full_control = true, acl_group_control = false;
    bool acl_allow_execute_always = false, acl_check_permissions = true, acl_flag_inherited_canonicalization = true;
    bool map_acl_inherit = false;

    // names
    bool hide_dot_files = true, hide_special_files = false, hide_unreadable = false, hide_unwriteable_files = false;
    uint32_t hide_new_files_timeout_seconds = 0;
    std::string hide_files, veto_files, veto_oplock_files;  // for NamePatterns; macros
    bool delete_veto_files = false;
    Tristate case_sensitive = Tristate::by_itself;
    bool preserve_case = true, short_preserve_case = true;
    LetterCase default_case = LetterCase::lower;
    MangledNames mangled_names = MangledNames::illegal;
    char mangling_char = '~';
    bool follow_symlinks = true;
    bool wide_links =
        false;  // already false where smb.conf(5) says that it has no effect (SMB1 UNIX extensions, unless insecure ones are allowed)

    // attributes and times
    bool store_dos_attributes = true, map_archive = true, map_hidden = false, map_system = false;
    MapReadonly map_readonly = MapReadonly::no;
    bool ea_support = true, delete_readonly = false, dos_filemode = false, dos_filetimes = true, dos_filetime_resolution = false;
    bool fake_directory_create_times = false;
    uint32_t max_xattr_size = 0;  // bytes
    bool msdfs_root = false;
    std::string msdfs_proxy;

    // opens and locks
    bool oplocks = true, level2_oplocks = true, kernel_oplocks = false, kernel_share_modes = false, fake_oplocks = false;
    bool locking = true, posix_locking = true, blocking_locks = true;
    Tristate strict_locking = Tristate::by_itself;
    bool durable_handles = true;
    bool continuous_availability = false;  // ours
    bool strict_rename = false, check_parent_directory_delete_on_close = false, smbd_force_process_locks = false;
    CscPolicy csc_policy = CscPolicy::manual;

    // reading and writing
    bool strict_sync = true, sync_always = false, strict_allocate = false, use_sendfile = false;
    uint64_t aio_read_size = 1, aio_write_size = 1, allocation_roundup_size = 0, block_size = 1024;  // bytes
    uint32_t dfree_cache_time_seconds = 0;
    std::string dfree_command;
    std::string magic_script, magic_output;
    bool spotlight = false;

    Names vfs_objects;
    // `fileid:algorithm` and others: section.option("fileid:algorithm")
};

// Who a home share is made for.
struct HomeOwner {
    std::string user;       // the name of the share
    std::string directory;  // the path, if [homes] gives none
};

class Configuration {
 public:
    [[nodiscard]] const GlobalConf& global() const { return global_; }
    // In the order of the file; [homes] and [printers] among them.
    [[nodiscard]] std::span<const std::shared_ptr<const ShareConf>> shares() const { return shares_; }
    // ASCII case does not count. Null if there is none. "homes" finds [homes].
    [[nodiscard]] std::shared_ptr<const ShareConf> find_share(std::string_view name) const;
    // The share that [homes] stands for: its name is the user's, browseable is [global]'s. Null without a [homes].
    [[nodiscard]] std::shared_ptr<const ShareConf> home_share(const HomeOwner& owner) const;

    // What is odd but does not stop the server: unknown parameters, deprecated ones, conflicts. `where` is "file:line".
    [[nodiscard]] std::span<const Error> warnings() const { return warnings_; }
    // Every file that was read; the first is the main one.
    [[nodiscard]] std::span<const std::string> files() const { return files_; }

 private:
    friend class Loader;
    GlobalConf global_;
    std::vector<std::shared_ptr<const ShareConf>> shares_;
    std::map<std::string, size_t, std::less<>> by_name_;  // folded name -> index into shares_
    std::vector<Error> warnings_;
    std::vector<std::string> files_;
};

struct LoadOptions {
    std::string file = default_config_file;
    MacroValues macros;  // for the paths of `include` and `config file`; %h and %L are found if not given
    std::vector<std::pair<std::string, std::string>> overrides;  // name and value in [global], which win over the file (--option)
    bool follow_config_file = true;  // read the file that `config file` names, if it exists, in place of this one
    // Where text comes from; null reads files of the system. A file to include that is not there is a warning.
    std::function<Result<std::string>(const std::string& path)> read_file;
};

// Reads the file and everything that it includes. An Error names file and line ("/etc/atoll/smb.conf:12"). Limits: base/limits.h.
// Blocking; call it on the main thread at start and on SIGHUP, then replace the pointer that readers copy.
Result<std::shared_ptr<const Configuration>> load(const LoadOptions& options);
// The same from text in memory; `include` fails unless options.read_file is given.
Result<std::shared_ptr<const Configuration>> load_text(std::string_view text, LoadOptions options = {});

}  // namespace Atoll::conf
