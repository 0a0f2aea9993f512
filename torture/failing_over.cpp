#include "torture/failing_over.h"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <sstream>
#include <vector>

#include "libcli/auth/ntlm.h"

namespace Atoll::torture {
namespace {

std::string complaint_about_unc(const std::string& unc) {
    const bool good = unc.starts_with("//") && unc.find('/', 2) != unc.npos && unc.find('/', 2) > 2;
    return good ? "" : "give //address[,address...]/share";
}

std::string complaint_about_user(const std::string& user) { return user.find('%') != user.npos ? "" : "give USER%PASSWORD"; }

}  // namespace

void FailingOver::add_to(CLI::App& app) {
    app.add_option("share", unc, "//address[,address...]/share")->required()->check(complaint_about_unc);
    app.add_option("-U,--user", user, "USER%PASSWORD")->required()->check(complaint_about_user);
    app.add_option("-p,--port", port, "TCP port");
    app.add_option("--first", first, "Which address it begins with");
    app.add_option("--patience", patience_s, "Seconds without a server after which it gives up");
}

client::FailoverOptions FailingOver::client_options() const {
    const size_t slash = unc.find('/', 2), percent = user.find('%');
    std::vector<std::string> hosts;
    std::istringstream list(unc.substr(2, slash - 2));
    for (std::string host; std::getline(list, host, ',');) hosts.push_back(host);
    client::FailoverOptions out;
    for (size_t i = 0; i < hosts.size(); i++) out.addresses.push_back({hosts[(first + i) % hosts.size()], port});
    out.share = "\\\\" + (hosts.size() == 1 ? hosts.front() : "cluster") + "\\" + unc.substr(slash + 1);
    out.credentials.user = user.substr(0, percent);
    out.credentials.hash = auth::nt_hash(user.substr(percent + 1)).value_or(auth::NtHash{});
    out.patience = std::chrono::seconds(patience_s);
    return out;
}

bool input_has_ended() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    return ::poll(&input, 1, 0) > 0;
}

}  // namespace Atoll::torture
