// What is looked at and made before the server starts. Each Error is one line that says what is wrong and where.
#pragma once

#include <memory>
#include <string>

#include "base/guid.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "conf/configuration.h"

namespace Atoll::server {

// Makes the server's directories if need be, and sees that it can write to them; that the account database can be read; logs each share
// whose path is missing.
Result<void> check_start(const std::shared_ptr<const conf::Configuration>& configuration);

// Says in the log of each share whether durable and persistent handles are granted on it, and what prevents it.
void report_durability(const conf::Configuration& configuration);

// smbd.pid in `pid directory`, locked as long as the process lives. Code::exists: another server runs.
class PidFile {
 public:
    static Result<PidFile> create(const conf::GlobalConf& conf);
    PidFile(PidFile&&) noexcept = default;
    PidFile& operator=(PidFile&&) = delete;
    ~PidFile();                      // takes it away, in the process that made it only
    void give_up() { fd_.reset(); }  // for another process to take: the file stays

 private:
    PidFile(std::string path, UniqueFd fd);
    std::string path_;
    UniqueFd fd_;
    pid_t owner_;
};

// What NEGOTIATE calls this server (MS-SMB2 3.3.1.5, ServerGuid): made once and kept in `state directory`.
Result<Guid> server_guid(const conf::GlobalConf& conf);

}  // namespace Atoll::server
