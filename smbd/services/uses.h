// Sessions, tree connects and open files of all processes as a service tells of them, from the smbXsrv tables (MS-SRVS 3.1.1.5, 3.1.1.6,
// 3.1.1.8).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "smbd/services/services.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::services {

struct SessionView {
    uint64_t id = 0;
    messaging::ServerId owner;
    std::string client;  // its address
    std::string user;
    uint32_t opens = 0;  // files; pipes do not count
    uint32_t seconds = 0;
    bool is_guest = false;
};

struct ConnectionView {
    uint32_t id = 0;
    std::string share;
    std::string user;
    std::string client;
    uint32_t opens = 0;
    uint32_t seconds = 0;
    bool is_ipc = false;
};

struct FileView {
    uint64_t persistent_id = 0;
    messaging::ServerId owner;
    uint32_t id = 0;           // what MS-SRVS calls it by
    uint32_t permissions = 0;  // MS-SRVS 2.2.4.7: 1 read, 2 write, 4 create
    uint32_t locks = 0;        // byte-range locks that it holds
    std::string path;          // "C:\srv\data\dir\file"
    std::string user;
};

// Each is as of now, in the order of the identifiers. Empty if the table cannot be read, which is logged.
std::vector<SessionView> sessions(xsrv::TableViews& tables);
std::vector<ConnectionView> connections(xsrv::TableViews& tables);
std::vector<FileView> files(const ServicesContext& context);
// Tree connects by the share's name in upper case.
std::map<std::string, uint32_t> uses_of_shares(xsrv::TableViews& tables);

}  // namespace Atoll::services
