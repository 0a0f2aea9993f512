// Other names of parameters (smb.conf(5), Samba 4.17).
#include "conf/parameter.h"

namespace Atoll::conf {

std::span<const Synonym> synonyms() {
    static constexpr Synonym table[] = {
        {"browsable", "browseable", false},
        {"casesignames", "case sensitive", false},
        {"create mode", "create mask", false},
        {"directory mode", "directory mask", false},
        {"group", "force group", false},
        {"public", "guest ok", false},
        {"only guest", "guest only", false},
        {"allow hosts", "hosts allow", false},
        {"deny hosts", "hosts deny", false},
        {"directory", "path", false},
        {"exec", "preexec", false},
        {"print ok", "printable", false},
        {"printer", "printer name", false},
        {"smb encrypt", "server smb encrypt", false},
        {"vfs object", "vfs objects", false},
        {"writeable", "read only", true},
        {"writable", "read only", true},
        {"write ok", "read only", true},
        {"preload", "auto services", false},
        {"bind dns directory", "binddns dir", false},
        {"default", "default service", false},
        {"enable spoolss", "disable spoolss", true},
        {"winbind gid", "idmap gid", false},
        {"winbind uid", "idmap uid", false},
        {"ldap password sync", "ldap passwd sync", false},
        {"lock dir", "lock directory", false},
        {"debuglevel", "log level", false},
        {"socket address", "nbt client socket address", false},
        {"prefered master", "preferred master", false},
        {"printcap", "printcap name", false},
        {"private directory", "private dir", false},
        {"root", "root directory", false},
        {"root dir", "root directory", false},
        {"max protocol", "server max protocol", false},
        {"protocol", "server max protocol", false},
        {"min protocol", "server min protocol", false},
        {"unix extensions", "smb1 unix extensions", false},
        {"debug timestamp", "timestamp logs", false},
    };
    return table;
}

}  // namespace Atoll::conf
