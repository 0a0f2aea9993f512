#include "conf/typed_values.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/assert.h"
#include "base/utf.h"

namespace Atoll::conf {

namespace {

void assign(std::string& out, const Value& value) { out = std::get<std::string>(value); }
void assign(Names& out, const Value& value) { out = std::get<Names>(value); }
void assign(bool& out, const Value& value) { out = std::get<int64_t>(value) != 0; }
void assign(int64_t& out, const Value& value) { out = std::get<int64_t>(value); }
void assign(int& out, const Value& value) { out = static_cast<int>(std::get<int64_t>(value)); }
void assign(char& out, const Value& value) {
    const auto& text = std::get<std::string>(value);
    if (!text.empty()) out = text[0];
}
// What makes no sense below zero is zero, which smb.conf(5) takes for "none" or "no limit".
void assign(uint32_t& out, const Value& value) {
    out = static_cast<uint32_t>(std::clamp<int64_t>(std::get<int64_t>(value), 0, std::numeric_limits<int32_t>::max()));
}
void assign(uint64_t& out, const Value& value) { out = static_cast<uint64_t>(std::max<int64_t>(std::get<int64_t>(value), 0)); }
template <class E>
requires std::is_enum_v<E>
void assign(E& out, const Value& value) { out = static_cast<E>(std::get<int64_t>(value)); }

template <class Conf>
struct Binding {
    ParameterId id;
    std::function<void(Conf&, const Value&)> set;
};

template <class Conf, class Member>
Binding<Conf> bound(std::string_view name, Member Conf::*member) {
    return {parameter_id(name), [member](Conf& conf, const Value& value) { assign(conf.*member, value); }};
}

const std::vector<Binding<GlobalConf>>& global_bindings() {
    static const std::vector<Binding<GlobalConf>> bindings = {
        bound("workgroup", &GlobalConf::workgroup),
        bound("realm", &GlobalConf::realm),
        bound("server string", &GlobalConf::server_string),
        bound("netbios name", &GlobalConf::netbios_name),
        bound("netbios aliases", &GlobalConf::netbios_aliases),
        bound("interfaces", &GlobalConf::interfaces),
        bound("bind interfaces only", &GlobalConf::bind_interfaces_only),
        bound("socket options", &GlobalConf::socket_options),
        bound("deadtime", &GlobalConf::deadtime_minutes),
        bound("keepalive", &GlobalConf::keepalive_seconds),
        bound("max open files", &GlobalConf::max_open_files),
        bound("max smbd processes", &GlobalConf::max_smbd_processes),
        bound("disable netbios", &GlobalConf::disable_netbios),
        bound("server multi channel support", &GlobalConf::server_multi_channel_support),
        bound("smb2 leases", &GlobalConf::smb2_leases),
        bound("persistent handles", &GlobalConf::persistent_handles),
        bound("smb2 max read", &GlobalConf::smb2_max_read),
        bound("smb2 max write", &GlobalConf::smb2_max_write),
        bound("smb2 max trans", &GlobalConf::smb2_max_trans),
        bound("smb2 max credits", &GlobalConf::smb2_max_credits),
        bound("smb2 disable lock sequence checking", &GlobalConf::smb2_disable_lock_sequence_checking),
        bound("smb2 disable oplock break retry", &GlobalConf::smb2_disable_oplock_break_retry),
        bound("clustering", &GlobalConf::clustering),
        bound("cluster addresses", &GlobalConf::cluster_addresses),
        bound("ctdbd socket", &GlobalConf::ctdbd_socket),
        bound("lock directory", &GlobalConf::lock_directory),
        bound("state directory", &GlobalConf::state_directory),
        bound("cache directory", &GlobalConf::cache_directory),
        bound("private dir", &GlobalConf::private_dir),
        bound("pid directory", &GlobalConf::pid_directory),
        bound("ncalrpc dir", &GlobalConf::ncalrpc_dir),
        bound("log file", &GlobalConf::log_file),
        bound("log level", &GlobalConf::log_level),
        bound("max log size", &GlobalConf::max_log_size_kib),
        bound("panic action", &GlobalConf::panic_action),
        bound("passdb backend", &GlobalConf::passdb_backend),
        bound("smb passwd file", &GlobalConf::smb_passwd_file),
        bound("username map", &GlobalConf::username_map),
        bound("username level", &GlobalConf::username_level),
        bound("username map script", &GlobalConf::username_map_script),
        bound("map to guest", &GlobalConf::map_to_guest),
        bound("guest account", &GlobalConf::guest_account),
        bound("restrict anonymous", &GlobalConf::restrict_anonymous),
        bound("null passwords", &GlobalConf::null_passwords),
        bound("lanman auth", &GlobalConf::lanman_auth),
        bound("ntlm auth", &GlobalConf::ntlm_auth),
        bound("obey pam restrictions", &GlobalConf::obey_pam_restrictions),
        bound("enable privileges", &GlobalConf::enable_privileges),
        bound("algorithmic rid base", &GlobalConf::algorithmic_rid_base),
        bound("min domain uid", &GlobalConf::min_domain_uid),
        bound("kerberos method", &GlobalConf::kerberos_method),
        bound("dedicated keytab file", &GlobalConf::dedicated_keytab_file),
        bound("winbind separator", &GlobalConf::winbind_separator),
        bound("server signing", &GlobalConf::server_signing),
        bound("client signing", &GlobalConf::client_signing),
        bound("server smb encrypt", &GlobalConf::server_smb_encrypt),
        bound("unix charset", &GlobalConf::unix_charset),
        bound("dos charset", &GlobalConf::dos_charset),
        bound("allow insecure wide links", &GlobalConf::allow_insecure_wide_links),
        bound("host msdfs", &GlobalConf::host_msdfs),
        bound("load printers", &GlobalConf::load_printers),
        bound("enable core files", &GlobalConf::enable_core_files),
        bound("use mmap", &GlobalConf::use_mmap),
        bound("hostname lookups", &GlobalConf::hostname_lookups),
        bound("kernel change notify", &GlobalConf::kernel_change_notify),
        bound("change notify", &GlobalConf::change_notify),
        bound("browse list", &GlobalConf::browse_list),
        bound("nt pipe support", &GlobalConf::nt_pipe_support),
        bound("aio max threads", &GlobalConf::aio_max_threads),
        bound("lock spin time", &GlobalConf::lock_spin_time_ms),
        bound("oplock break wait time", &GlobalConf::oplock_break_wait_time_ms),
        bound("default service", &GlobalConf::default_service),
        bound("preload modules", &GlobalConf::preload_modules),
    };
    return bindings;
}

const std::vector<Binding<ShareConf>>& share_bindings() {
    static const std::vector<Binding<ShareConf>> bindings = {
        bound("path", &ShareConf::path),
        bound("comment", &ShareConf::comment),
        bound("volume", &ShareConf::volume),
        bound("fstype", &ShareConf::fstype),
        bound("volume serial number", &ShareConf::volume_serial_number),
        bound("available", &ShareConf::available),
        bound("browseable", &ShareConf::browseable),
        bound("printable", &ShareConf::printable),
        bound("administrative share", &ShareConf::administrative_share),
        bound("max connections", &ShareConf::max_connections),
        bound("root preexec", &ShareConf::root_preexec),
        bound("root postexec", &ShareConf::root_postexec),
        bound("preexec", &ShareConf::preexec),
        bound("postexec", &ShareConf::postexec),
        bound("root preexec close", &ShareConf::root_preexec_close),
        bound("preexec close", &ShareConf::preexec_close),
        bound("read only", &ShareConf::read_only),
        bound("guest ok", &ShareConf::guest_ok),
        bound("guest only", &ShareConf::guest_only),
        bound("valid users", &ShareConf::valid_users),
        bound("invalid users", &ShareConf::invalid_users),
        bound("read list", &ShareConf::read_list),
        bound("write list", &ShareConf::write_list),
        bound("admin users", &ShareConf::admin_users),
        bound("force user", &ShareConf::force_user),
        bound("force group", &ShareConf::force_group),
        bound("hosts allow", &ShareConf::hosts_allow),
        bound("hosts deny", &ShareConf::hosts_deny),
        bound("access based share enum", &ShareConf::access_based_share_enum),
        bound("server smb encrypt", &ShareConf::smb_encrypt),
        bound("create mask", &ShareConf::create_mask),
        bound("force create mode", &ShareConf::force_create_mode),
        bound("directory mask", &ShareConf::directory_mask),
        bound("force directory mode", &ShareConf::force_directory_mode),
        bound("inherit permissions", &ShareConf::inherit_permissions),
        bound("inherit acls", &ShareConf::inherit_acls),
        bound("inherit owner", &ShareConf::inherit_owner),
        bound("force unknown acl user", &ShareConf::force_unknown_acl_user),
        bound("nt acl support", &ShareConf::nt_acl_support),
        bound("acl map full control", &ShareConf::acl_map_full_control),
        bound("acl group control", &ShareConf::acl_group_control),
        bound("acl allow execute always", &ShareConf::acl_allow_execute_always),
        bound("acl check permissions", &ShareConf::acl_check_permissions),
        bound("acl flag inherited canonicalization", &ShareConf::acl_flag_inherited_canonicalization),
        bound("map acl inherit", &ShareConf::map_acl_inherit),
        bound("hide dot files", &ShareConf::hide_dot_files),
        bound("hide special files", &ShareConf::hide_special_files),
        bound("hide unreadable", &ShareConf::hide_unreadable),
        bound("hide unwriteable files", &ShareConf::hide_unwriteable_files),
        bound("hide new files timeout", &ShareConf::hide_new_files_timeout_seconds),
        bound("hide files", &ShareConf::hide_files),
        bound("veto files", &ShareConf::veto_files),
        bound("veto oplock files", &ShareConf::veto_oplock_files),
        bound("delete veto files", &ShareConf::delete_veto_files),
        bound("case sensitive", &ShareConf::case_sensitive),
        bound("preserve case", &ShareConf::preserve_case),
        bound("short preserve case", &ShareConf::short_preserve_case),
        bound("default case", &ShareConf::default_case),
        bound("mangled names", &ShareConf::mangled_names),
        bound("mangling char", &ShareConf::mangling_char),
        bound("follow symlinks", &ShareConf::follow_symlinks),
        bound("wide links", &ShareConf::wide_links),
        bound("store dos attributes", &ShareConf::store_dos_attributes),
        bound("map archive", &ShareConf::map_archive),
        bound("map hidden", &ShareConf::map_hidden),
        bound("map system", &ShareConf::map_system),
        bound("map readonly", &ShareConf::map_readonly),
        bound("ea support", &ShareConf::ea_support),
        bound("delete readonly", &ShareConf::delete_readonly),
        bound("dos filemode", &ShareConf::dos_filemode),
        bound("dos filetimes", &ShareConf::dos_filetimes),
        bound("dos filetime resolution", &ShareConf::dos_filetime_resolution),
        bound("fake directory create times", &ShareConf::fake_directory_create_times),
        bound("smbd max xattr size", &ShareConf::max_xattr_size),
        bound("msdfs root", &ShareConf::msdfs_root),
        bound("msdfs proxy", &ShareConf::msdfs_proxy),
        bound("oplocks", &ShareConf::oplocks),
        bound("level2 oplocks", &ShareConf::level2_oplocks),
        bound("kernel oplocks", &ShareConf::kernel_oplocks),
        bound("kernel share modes", &ShareConf::kernel_share_modes),
        bound("fake oplocks", &ShareConf::fake_oplocks),
        bound("locking", &ShareConf::locking),
        bound("posix locking", &ShareConf::posix_locking),
        bound("blocking locks", &ShareConf::blocking_locks),
        bound("strict locking", &ShareConf::strict_locking),
        bound("durable handles", &ShareConf::durable_handles),
        bound("continuous availability", &ShareConf::continuous_availability),
        bound("strict rename", &ShareConf::strict_rename),
        bound("check parent directory delete on close", &ShareConf::check_parent_directory_delete_on_close),
        bound("smbd force process locks", &ShareConf::smbd_force_process_locks),
        bound("csc policy", &ShareConf::csc_policy),
        bound("strict sync", &ShareConf::strict_sync),
        bound("sync always", &ShareConf::sync_always),
        bound("strict allocate", &ShareConf::strict_allocate),
        bound("use sendfile", &ShareConf::use_sendfile),
        bound("aio read size", &ShareConf::aio_read_size),
        bound("aio write size", &ShareConf::aio_write_size),
        bound("allocation roundup size", &ShareConf::allocation_roundup_size),
        bound("block size", &ShareConf::block_size),
        bound("dfree cache time", &ShareConf::dfree_cache_time_seconds),
        bound("dfree command", &ShareConf::dfree_command),
        bound("magic script", &ShareConf::magic_script),
        bound("magic output", &ShareConf::magic_output),
        bound("spotlight", &ShareConf::spotlight),
        bound("vfs objects", &ShareConf::vfs_objects),
    };
    return bindings;
}

Protocol protocol_or(const Section& section, std::string_view name, Protocol otherwise) {
    const auto value = std::get<int64_t>(section.value(parameter_id(name)));
    return value == 0 ? otherwise : static_cast<Protocol>(value);
}

template <class E>
std::vector<E> named(const Section& section, std::string_view parameter, std::initializer_list<std::pair<std::string_view, E>> known) {
    std::vector<E> out;
    for (const std::string& name : std::get<Names>(section.value(parameter_id(parameter)))) {
        for (const auto& [text, value] : known) {
            if (equal_ignoring_ascii_case(text, name) && std::find(out.begin(), out.end(), value) == out.end()) out.push_back(value);
        }
    }
    return out;
}

// "3", "1 auth:5 all:2": the bare number, or that of the class "all".
int number_of_log_level(const std::string& text) {
    int level = 1;
    for (std::string_view item : split_list(text)) {
        if (item.substr(0, 4) == "all:") item.remove_prefix(4);
        int number = 0;
        const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), number);
        if (error == std::errc() && end == item.data() + item.size()) level = number;
    }
    return level;
}

std::vector<uint16_t> ports(const Section& section) {
    std::vector<uint16_t> out;
    for (const std::string& text : std::get<Names>(section.value(parameter_id("smb ports")))) {
        uint16_t port = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
        ATOLL_ASSERT(error == std::errc() && port != 0);  // the loader lets nothing else in
        out.push_back(port);
    }
    return out;
}

}  // namespace

ParameterId parameter_id(std::string_view name) {
    const std::optional<Found> found = find_parameter(name);
    ATOLL_ASSERT(found && !found->inverse);
    return found->id;
}

void fill_global(GlobalConf& out, const MacroValues& macros) {
    for (const auto& binding : global_bindings()) binding.set(out, out.section.value(binding.id));
    const Section& section = out.section;
    out.server_min_protocol = protocol_or(section, "server min protocol", Protocol::smb2_02);
    out.server_max_protocol = protocol_or(section, "server max protocol", Protocol::smb3_11);
    out.client_min_protocol = protocol_or(section, "client min protocol", Protocol::smb2_02);
    out.client_max_protocol = protocol_or(section, "client max protocol", Protocol::smb3_11);
    out.smb_ports = ports(section);
    out.server_smb3_encryption_algorithms = named<Cipher>(section, "server smb3 encryption algorithms",
                                                          {{"AES-128-GCM", Cipher::aes_128_gcm},
                                                           {"AES-128-CCM", Cipher::aes_128_ccm},
                                                           {"AES-256-GCM", Cipher::aes_256_gcm},
                                                           {"AES-256-CCM", Cipher::aes_256_ccm}});
    out.server_smb3_signing_algorithms =
        named<Signing>(section, "server smb3 signing algorithms",
                       {{"AES-128-GMAC", Signing::aes_gmac}, {"AES-128-CMAC", Signing::aes_cmac}, {"HMAC-SHA256", Signing::hmac_sha256}});
    out.log_level_number = number_of_log_level(out.log_level);
    // MS-SMB2 counts in these sizes from 64 KiB on; smaller ones would stop every client.
    for (uint32_t* size : {&out.smb2_max_read, &out.smb2_max_write, &out.smb2_max_trans}) *size = std::max<uint32_t>(*size, 65536);
    for (std::string* path : {&out.lock_directory, &out.state_directory, &out.cache_directory, &out.private_dir, &out.pid_directory,
                              &out.ncalrpc_dir, &out.smb_passwd_file, &out.username_map, &out.ctdbd_socket}) {
        *path = expand_macros(*path, macros);
    }
}

ShareConf typed_share(Section section) {
    ShareConf out;
    for (const auto& binding : share_bindings()) binding.set(out, section.value(binding.id));
    out.name = trimmed_section_name(section.name());
    if (!wide_links_allowed(section)) out.wide_links = false;
    out.section = std::move(section);
    return out;
}

bool wide_links_allowed(const Section& share) {
    static const ParameterId extensions = parameter_id("smb1 unix extensions");
    static const ParameterId insecure = parameter_id("allow insecure wide links");
    const auto is_on = [&](ParameterId id) { return std::get<int64_t>(share.global_value(id)) != 0; };
    return !is_on(extensions) || is_on(insecure);
}

}  // namespace Atoll::conf
