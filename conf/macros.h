// The %-macros of smb.conf(5), "VARIABLE SUBSTITUTIONS": text in, text out, from a struct of values.
//
// A macro whose value the caller does not have (nullopt) is left as it stands, so that text may be expanded in steps: %h when the
// file is read, %U after log-on, %S at tree connect.
#pragma once

#include <ctime>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace Atoll::conf {

struct MacroValues {
    // of the server and the connection
    std::optional<std::string> host_name;                 // %h  DNS name of this machine
    std::optional<std::string> client_name;               // %m  NetBIOS name of the client; made harmless when expanded, see expand_macros
    std::optional<std::string> server_name;               // %L and %N  NetBIOS name of the server, as the client called it
    std::optional<std::string> client_host_name;          // %M  DNS name of the client
    std::optional<std::string> protocol;                  // %R  "SMB3_11" and the like
    std::optional<std::string> client_architecture;       // %a  "Vista", "CIFSFS", "UNKNOWN"
    std::optional<std::string> client_address;            // %I, and %J with . and : as _
    std::optional<std::string> local_address;             // %i, and %j with . and : as _
    std::optional<std::string> domain;                    // %D  of the session's user
    std::optional<std::string> winbind_separator;         // %w
    std::optional<std::string> version = version_text();  // %v
    std::optional<uint32_t> process_id;                   // %d
    std::optional<int> vnn;                               // %V  this node's number in a cluster; without it %V is -1
    std::optional<time_t> now;                            // %T and %t; nullopt: the clock
    // of the session
    std::optional<std::string> session_user;   // %U  the name that the client asked for
    std::optional<std::string> session_group;  // %G  primary group of %U
    // of the tree connect
    std::optional<std::string> service;             // %S
    std::optional<std::string> service_root;        // %P
    std::optional<std::string> service_user;        // %u
    std::optional<std::string> service_group;       // %g  primary group of %u
    std::optional<std::string> home_directory;      // %H  of %u
    std::optional<std::string> previous_directory;  // %p  path of the service's home on an automounter; without NIS equal to %H

    // %$(NAME): null means getenv; nullopt from it leaves nothing.
    std::function<std::optional<std::string>(std::string_view name)> environment;

    static std::string version_text();  // "0.1.0"
};

// Expands every macro of `text` once; what values bring in is not expanded again; "%%" stays. Names that a client can choose (%m %M
// %L %N %U %D) have all that means something to a path or a shell replaced by '_', and so has a name of only dots: it cannot leave a
// directory. In %u and %S only '/' and control characters are replaced.
// The result is cut at limits::max_expanded_value bytes.
std::string expand_macros(std::string_view text, const MacroValues& values);

// True if there is any macro in it: what has none need not be expanded at each use.
bool has_macros(std::string_view text);

}  // namespace Atoll::conf
