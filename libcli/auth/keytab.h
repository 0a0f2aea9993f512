// The server's Kerberos keys: the entries of a keytab file that a file server may use, copied into memory, and copied again when the
// file has changed. For the .cpp files of this room only. Not thread-safe; reading blocks.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/result.h"
#include "libcli/auth/gss.h"

namespace Atoll::auth {

class Keytab {
 public:
    // `name`: "FILE:/path" or "/path"; empty: the system's (krb5.conf's default_keytab_name). Code::not_found, ::denied: the file cannot be
    // read; Code::invalid: it has no AES key of cifs/..., host/... or a machine account NAME$.
    static Result<Keytab> open(const std::string& name);
    Keytab(Keytab&& other) noexcept;
    Keytab& operator=(Keytab&& other) noexcept;
    ~Keytab();

    // What krb5 and gss_acquire_cred_from() call the copy.
    [[nodiscard]] const std::string& memory_name() const { return memory_name_; }
    [[nodiscard]] const std::string& where() const { return path_; }
    // A principal that has a key; in the copy, and valid as long as it.
    [[nodiscard]] krb5_principal principal() const { return principal_; }
    [[nodiscard]] const gss::Library& library() const { return library_; }
    [[nodiscard]] bool has_changed() const;

 private:
    Keytab() = default;
    Result<void> find(const std::string& name);
    Result<void> copy();
    krb5_error_code copy_from(krb5_keytab source, size_t& taken, size_t& weak);

    gss::Library library_;
    krb5_keytab memory_ = nullptr;
    krb5_principal principal_ = nullptr;
    std::string path_, memory_name_;
    struct stat seen_ {};
};

}  // namespace Atoll::auth
