#include "libcli/auth/keytab.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <string_view>

#include "base/utf.h"
#include "libcli/auth/limits.h"

namespace Atoll::auth {
namespace {

constexpr std::string_view file_prefix = "FILE:";

std::string_view component(krb5_const_principal principal, int i) {
    const krb5_data& data = principal->data[i];
    return {data.data, data.length};
}

// cifs/host and host/host, under which clients ask for a file server's tickets, and the machine account, whose key a domain controller
// uses for both. Keys of other services stay theirs: a ticket for a web server is none for this one.
bool is_file_servers(krb5_const_principal principal) {
    if (principal->length == 1) return component(principal, 0).ends_with('$');
    return principal->length == 2 &&
           (equal_ignoring_ascii_case(component(principal, 0), "cifs") || equal_ignoring_ascii_case(component(principal, 0), "host"));
}

}  // namespace

Result<Keytab> Keytab::open(const std::string& name) {
    Keytab keytab;
    if (const krb5_error_code code = krb5_init_context(keytab.library_.out()); code != 0)
        return fail(Code::io, "krb5.conf", "Kerberos cannot be set up: " + gss::Library().text(code));
    if (auto found = keytab.find(name); !found) return found.failure();
    if (auto copied = keytab.copy(); !copied) return copied.failure();
    return keytab;
}

Keytab::Keytab(Keytab&& other) noexcept
    : library_(std::move(other.library_)),
      memory_(std::exchange(other.memory_, nullptr)),
      principal_(std::exchange(other.principal_, nullptr)),
      path_(std::move(other.path_)),
      memory_name_(std::move(other.memory_name_)),
      seen_(other.seen_) {}

Keytab& Keytab::operator=(Keytab&& other) noexcept {
    std::swap(library_, other.library_);
    std::swap(memory_, other.memory_);
    std::swap(principal_, other.principal_);
    std::swap(path_, other.path_);
    std::swap(memory_name_, other.memory_name_);
    std::swap(seen_, other.seen_);
    return *this;
}

Keytab::~Keytab() {
    if (principal_ != nullptr) krb5_free_principal(library_.get(), principal_);
    if (memory_ != nullptr) (void)krb5_kt_close(library_.get(), memory_);
}

Result<void> Keytab::find(const std::string& name) {
    std::array<char, 4096> text{};
    std::string found = name;
    if (name.empty()) {
        const krb5_error_code code = krb5_kt_default_name(library_.get(), text.data(), static_cast<int>(text.size()));
        if (code != 0) return fail(Code::invalid, "krb5.conf", "the system's keytab cannot be told: " + library_.text(code));
        found = text.data();
    }
    if (found.starts_with(file_prefix)) found.erase(0, file_prefix.size());
    if (!found.starts_with('/')) return fail(Code::invalid, found, "a keytab is named by an absolute path");
    path_ = found;
    return {};
}

Result<void> Keytab::copy() {
    static std::atomic<unsigned> last{0};
    memory_name_ = "MEMORY:atoll." + std::to_string(++last);
    if (::stat(path_.c_str(), &seen_) != 0) return fail_errno(errno, path_, "the keytab");
    krb5_keytab source = nullptr;
    size_t taken = 0, weak = 0;
    krb5_error_code code = krb5_kt_resolve(library_.get(), memory_name_.c_str(), &memory_);
    if (code == 0) code = krb5_kt_resolve(library_.get(), (std::string(file_prefix) + path_).c_str(), &source);
    if (code == 0) code = copy_from(source, taken, weak);
    if (source != nullptr) (void)krb5_kt_close(library_.get(), source);
    if (code != 0) return fail(Code::io, path_, "the keytab cannot be read: " + library_.text(code));
    if (taken > 0) return {};
    return fail(Code::invalid, path_,
                weak > 0 ? "the keytab's keys for cifs/HOST or host/HOST are not AES ones, and others are not taken"
                         : "the keytab has no key for cifs/HOST or host/HOST");
}

krb5_error_code Keytab::copy_from(krb5_keytab source, size_t& taken, size_t& weak) {
    krb5_context context = library_.get();
    krb5_kt_cursor cursor{};
    krb5_error_code code = krb5_kt_start_seq_get(context, source, &cursor);
    if (code != 0) return code;
    for (size_t read = 0; code == 0; read++) {
        krb5_keytab_entry entry{};
        code = read < limits::max_keytab_entries ? krb5_kt_next_entry(context, source, &entry, &cursor) : KRB5_KT_END;
        if (code != 0) break;
        if (is_file_servers(entry.principal)) {
            const bool strong = gss::is_aes(entry.key.enctype);
            if (strong) code = krb5_kt_add_entry(context, memory_, &entry);
            if (strong && principal_ == nullptr && code == 0) code = krb5_copy_principal(context, entry.principal, &principal_);
            ++(strong ? taken : weak);
        }
        (void)krb5_free_keytab_entry_contents(context, &entry);
    }
    (void)krb5_kt_end_seq_get(context, source, &cursor);
    return code == KRB5_KT_END ? 0 : code;
}

bool Keytab::has_changed() const {
    struct stat now {};
    if (::stat(path_.c_str(), &now) != 0) return false;  // what was read is still good
    return now.st_ino != seen_.st_ino || now.st_dev != seen_.st_dev || now.st_size != seen_.st_size ||
           now.st_mtim.tv_sec != seen_.st_mtim.tv_sec || now.st_mtim.tv_nsec != seen_.st_mtim.tv_nsec;
}

}  // namespace Atoll::auth
