// smbhold: opens files of a share, with locks, oplocks, leases and durable handles, and keeps them: something for other programs to look
// at.
//
//     smbhold //server/share -U user%password -p PORT < commands
//
// A line a command, which is answered with a line: its status. NAME is "/" for the share's root.
//     open NAME [access=HEX] [share=HEX] [disposition=N] [options=HEX] [oplock=HEX] [lease=HEX] [lease2=HEX] [durable] [durable2=MS]
//     [persistent]
//          [app=WORD] [version=N]
//     again NAME PERSISTENT VOLATILE [...]     takes back a durable handle of version 2 (opened with the same name and --client-guid), or,
//     with
//          [resilient]                         one that was resilient only
//     replay NAME [...]                        as open, once more, for the answer was not seen
//     write OFFSET WORD, read OFFSET WORD      on what was opened last; the bytes read are to be those of WORD, else DATA_ERROR
//     rename NAME, delete                      the same
//     id                                       PERSISTENT VOLATILE of what was opened last, in place of a status
//     lock OFFSET LENGTH shared|exclusive      on what was opened last
//     locks COUNT LENGTH [FIRST [AT-ONCE]]     exclusive ones, side by side, from the place FIRST on, AT-ONCE of them in a request
//     resilient MS                             asks for a resilient handle (MS-SMB2 2.2.31.3), on what was opened last
//     close                                    the same
//     action                                   of the last CREATE's answer (MS-SMB2 2.2.14), in place of a status
//     lease                                    the same: the lease's state and flags in hex
//     broken                                   waits for the break of a lease: the states from and to in hex, in place of a status
//     acknowledge NAME HEX                     that NAME's lease is down to that state
//     session, share                           the session's id; the share's capabilities in hex (MS-SMB2 2.2.10); in place of a status
//     bind HOST                                a channel to this session by way of HOST, without the session's signature
// At the end of its input it ends as a client does that is cut off: nothing is closed, nobody logs off.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <iostream>
#include <list>
#include <map>
#include <sstream>

#include "base/loop/loop.h"
#include "libcli/auth/initiator.h"
#include "libcli/auth/ntlm.h"
#include "libcli/client/file.h"
#include "torture/control.h"

namespace Atoll::torture {
namespace {

constexpr auto answer_timeout = std::chrono::seconds(60);  // longer than a server waits for a break to be acknowledged (MS-SMB2 3.3.2.5)

struct Options {
    std::string unc;
    std::string user;
    std::string protocol = "SMB3_11";
    uint16_t port = 445;
    std::string client_guid;
    uint64_t previous_session = 0;
    bool seal = false;
    bool sign = false;
};

using Settings = std::map<std::string, std::string, std::less<>>;

// The create GUID and lease key of a name: the same in another process.
Guid guid_of(std::string_view name) {
    Guid out;
    std::copy_n(name.begin(), std::min(name.size(), out.bytes.size()), out.bytes.begin());
    return out;
}

uint64_t number(const Settings& settings, std::string_view name, int base, uint64_t otherwise) {
    const auto found = settings.find(name);
    return found == settings.end() ? otherwise : std::stoull(found->second, nullptr, base);
}

class Holder {
 public:
    NtStatus connect(const Options& options) {
        const size_t slash = options.unc.find('/', 2);
        if (!options.unc.starts_with("//") || slash == options.unc.npos) return NtStatus::BAD_NETWORK_NAME;
        options_ = options;
        const std::string host = options.unc.substr(2, slash - 2);
        auto opened = client::Connection::open(loop_, host, options.port);
        if (!opened) return NtStatus::CONNECTION_REFUSED;
        connection_ = std::move(*opened);
        connection_->set_timeout(answer_timeout);
        connection_->on_break = [this](Bytes message) {
            if (const auto broken = smb::LeaseBreakNotification::decode(message)) breaks_.push_back(*broken);
        };
        session_ = std::make_unique<client::Session>(*connection_);
        tree_ = std::make_unique<client::Tree>(*session_);
        NtStatus status = connection_->negotiate(negotiation(options));
        if (!is_error(status)) status = log_on(options);
        if (!is_error(status)) status = tree_->connect("\\\\" + host + "\\" + options.unc.substr(slash + 1));
        return status;
    }

    [[nodiscard]] std::string id() const {
        const smb::FileId id = files_.empty() ? smb::FileId{} : files_.back().id();
        return std::to_string(id.persistent_id) + " " + std::to_string(id.volatile_id);
    }

    // What a line is answered with.
    std::string answer(const std::string& line) {
        if (line == "id") return id();
        if (line == "session") return std::to_string(session_->id());
        if (line == "share") return hex(tree_->response().capabilities);
        if (line == "broken") return broken();
        if (line == "action") return std::to_string(static_cast<uint32_t>(action_));
        if (line == "lease") return hex(lease_.state) + " " + hex(lease_.flags);
        return std::string(to_string(run(line)));
    }

    NtStatus run(const std::string& line) {
        std::istringstream words(line);
        std::string command;
        words >> command;
        if (command == "bind") return bind(words);
        if (command == "open" || command == "again" || command == "replay") return open(words, command);
        if (command == "lock") return lock(words);
        if (command == "locks") return locks(words);
        if (command == "write" || command == "read") return transfer(words, command == "write");
        if (command == "rename") return rename(words);
        if (command == "resilient") return make_resilient(words);
        if (command == "acknowledge") return acknowledge(words);
        if (command == "delete" && !files_.empty()) return files_.back().set_delete(true);
        if (command == "close" && !files_.empty()) {
            const NtStatus status = files_.back().close();
            files_.pop_back();
            return status;
        }
        return NtStatus::INVALID_PARAMETER;
    }

 private:
    static std::string hex(uint32_t value) {
        std::ostringstream out;
        out << std::hex << value;
        return out.str();
    }

    static client::NegotiateOptions negotiation(const Options& options) {
        static const std::map<std::string, smb::Dialect> dialects = {{"SMB2_02", smb::Dialect::smb2_02},
                                                                     {"SMB2_10", smb::Dialect::smb2_10},
                                                                     {"SMB3_00", smb::Dialect::smb3_00},
                                                                     {"SMB3_02", smb::Dialect::smb3_02},
                                                                     {"SMB3_11", smb::Dialect::smb3_11}};
        client::NegotiateOptions negotiate;
        if (const auto found = dialects.find(options.protocol); found != dialects.end()) negotiate.max_dialect = found->second;
        if (negotiate.max_dialect == smb::Dialect::smb2_02) negotiate.client_guid = Guid();
        if (!options.client_guid.empty()) negotiate.client_guid = guid_of(options.client_guid);
        return negotiate;
    }

    NtStatus log_on(const Options& options) {
        const size_t percent = options.user.find('%');
        auth::Credentials credentials;
        credentials.user = options.user.substr(0, percent);
        if (percent != options.user.npos) credentials.hash = auth::nt_hash(options.user.substr(percent + 1)).value_or(auth::NtHash{});
        client::LogOnOptions how;
        how.sign = options.sign;
        how.seal = options.seal;
        how.previous_session_id = options.previous_session;
        return session_->log_on(credentials, how);
    }

    NtStatus bind(std::istringstream& words) {
        std::string host;
        words >> host;
        auto opened = client::Connection::open(loop_, host, options_.port);
        if (!opened) return NtStatus::CONNECTION_REFUSED;
        if (const NtStatus status = (*opened)->negotiate(negotiation(options_)); is_error(status)) return status;
        smb::SessionSetupRequest request;
        request.flags = smb::session_setup_flags::binding;
        client::RequestOptions how;
        how.session_id = session_->id();
        client::Compound compound(**opened);
        const auto exchange = compound.add(nullptr, 0, smb::Command::session_setup, request, how);
        compound.send();
        return (*opened)->wait(exchange);
    }

    NtStatus open(std::istringstream& words, std::string_view command) {
        const bool again = command == "again";
        std::string name, word;
        words >> name;
        if (name == "/") name.clear();
        smb::DurableReconnectV2 reconnect;
        if (again && !(words >> reconnect.file_id.persistent_id >> reconnect.file_id.volatile_id)) return NtStatus::INVALID_PARAMETER;
        Settings settings;
        while (words >> word) settings[word.substr(0, word.find('='))] = word.find('=') == word.npos ? "" : word.substr(word.find('=') + 1);
        client::OpenOptions options;
        options.access = static_cast<uint32_t>(number(settings, "access", 16, options.access));
        options.share = static_cast<uint32_t>(number(settings, "share", 16, options.share));
        options.disposition = static_cast<smb::CreateDisposition>(number(settings, "disposition", 10, 3));  // FILE_OPEN_IF
        options.options = static_cast<uint32_t>(number(settings, "options", 16, 0));
        options.oplock = static_cast<smb::OplockLevel>(number(settings, "oplock", 16, 0));
        add_contexts(name, settings, options);
        if (!settings.contains("resilient")) reconnect.create_guid = guid_of(name);
        if (settings.contains("persistent")) reconnect.flags = smb::durable_flags::persistent;
        if (again) options.contexts.durable_reconnect_v2 = reconnect;
        client::RequestOptions how;
        if (command == "replay") how.flags = smb::header_flags::replay_operation;
        auto exchange = tree_->start(smb::Command::create, client::CreateCall(name, options), how);
        const NtStatus status = connection_->wait(exchange);
        if (status != NtStatus::SUCCESS) return status;
        const auto response = smb::CreateResponse::decode(exchange->message());
        if (!response) return response.error();
        smb::CreateResponseContexts contexts;
        if (const auto decoded = smb::CreateResponseContexts::decode(response->contexts)) contexts = *decoded;
        const bool persistent = contexts.durable_v2 && (contexts.durable_v2->flags & smb::durable_flags::persistent) != 0;
        files_.emplace_back(*tree_, *response);
        action_ = response->action;
        lease_ = contexts.lease.value_or(smb::LeaseContext{});
        // Whoever asks for a persistent handle wants to know whether he got one.
        return !again && settings.contains("persistent") && !persistent ? NtStatus::NOT_SUPPORTED : NtStatus::SUCCESS;
    }

    static void add_contexts(std::string_view name_of_file, const Settings& settings, client::OpenOptions& options) {
        for (const uint8_t version : {uint8_t{1}, uint8_t{2}}) {
            const char* name = version == 1 ? "lease" : "lease2";
            if (!settings.contains(name)) continue;
            smb::LeaseContext lease;
            lease.version = version;
            lease.key = guid_of(name_of_file);
            lease.state = static_cast<uint32_t>(number(settings, name, 16, 0));
            options.contexts.lease = lease;
            options.oplock = smb::OplockLevel::lease;
        }
        options.contexts.durable_request = settings.contains("durable");
        if (settings.contains("app")) options.contexts.app_instance_id = guid_of(settings.at("app"));
        if (settings.contains("version"))
            options.contexts.app_instance_version = smb::AppInstanceVersion{0, number(settings, "version", 10, 0)};
        if (!settings.contains("durable2")) return;
        smb::DurableRequestV2 durable;
        durable.timeout_ms = static_cast<uint32_t>(number(settings, "durable2", 10, 0));
        durable.create_guid = guid_of(name_of_file);
        if (settings.contains("persistent")) durable.flags = smb::durable_flags::persistent;
        options.contexts.durable_request_v2 = durable;
    }

    NtStatus transfer(std::istringstream& words, bool writes) {
        uint64_t offset = 0;
        std::string word;
        if (files_.empty() || !(words >> offset >> word)) return NtStatus::INVALID_PARAMETER;
        if (writes) {
            const auto written = files_.back().write(offset, as_bytes(word));
            return written ? NtStatus::SUCCESS : written.error();
        }
        Buffer there;
        const NtStatus status = files_.back().read(offset, static_cast<uint32_t>(word.size()), there);
        if (is_error(status)) return status;
        return std::ranges::equal(there.bytes(), as_bytes(word)) ? NtStatus::SUCCESS : NtStatus::DATA_ERROR;
    }

    NtStatus rename(std::istringstream& words) {
        std::string name;
        return files_.empty() || !(words >> name) ? NtStatus::INVALID_PARAMETER : files_.back().rename(name, false);
    }

    NtStatus make_resilient(std::istringstream& words) {
        smb::ResiliencyRequest resiliency;
        if (files_.empty() || !(words >> resiliency.timeout_ms)) return NtStatus::INVALID_PARAMETER;
        Buffer input;
        ByteWriter out(input);
        resiliency.encode(out);
        return control(files_.back(), smb::ControlCode::lmr_request_resiliency, input, 0).status;
    }

    // The one that came first, of those that nobody has asked for yet.
    std::string broken() {
        const Monotonic deadline = monotonic_now() + answer_timeout;
        while (breaks_.empty() && monotonic_now() < deadline) (void)loop_.run_once(deadline);
        if (breaks_.empty()) return std::string(to_string(NtStatus::IO_TIMEOUT));
        const smb::LeaseBreakNotification first = breaks_.front();
        breaks_.pop_front();
        return hex(first.current_state) + " " + hex(first.new_state);
    }

    NtStatus acknowledge(std::istringstream& words) {
        std::string name;
        uint32_t state = 0;
        if (!(words >> name >> std::hex >> state)) return NtStatus::INVALID_PARAMETER;
        return connection_->wait(tree_->start(smb::Command::oplock_break, smb::LeaseBreakAck{guid_of(name), state}));
    }

    NtStatus lock(std::istringstream& words) {
        uint64_t offset = 0, length = 0;
        std::string kind;
        if (files_.empty() || !(words >> offset >> length >> kind)) return NtStatus::INVALID_PARAMETER;
        const uint32_t flag = kind == "shared" ? smb::lock_flags::shared_lock : smb::lock_flags::exclusive_lock;
        return files_.back().lock(offset, length, flag | smb::lock_flags::fail_immediately);
    }

    NtStatus locks(std::istringstream& words) {
        uint64_t count = 0, length = 0, first = 0, at_once = 100;
        if (files_.empty() || !(words >> count >> length)) return NtStatus::INVALID_PARAMETER;
        words >> first >> at_once;
        const uint64_t end = first + count;
        for (uint64_t done = first; done < end; done += at_once) {
            std::vector<smb::LockElement> ranges;
            for (uint64_t i = done; i < std::min(end, done + at_once); i++)
                ranges.push_back({length * i, length, smb::lock_flags::exclusive_lock | smb::lock_flags::fail_immediately});
            if (const NtStatus status = connection_->wait(files_.back().start_lock(ranges)); status != NtStatus::SUCCESS) return status;
        }
        return NtStatus::SUCCESS;
    }

    Options options_;
    loop::Loop loop_;
    std::unique_ptr<client::Connection> connection_;
    std::unique_ptr<client::Session> session_;
    std::unique_ptr<client::Tree> tree_;
    std::list<client::File> files_;
    // Of the last CREATE's answer.
    smb::CreateAction action_{};
    smb::LeaseContext lease_;
    std::deque<smb::LeaseBreakNotification> breaks_;
};

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Opens files of a share and keeps them", "smbhold");
    app.add_option("share", options.unc, "//server/share")->required();
    app.add_option("-U,--user", options.user, "USER%PASSWORD; without it, anonymous");
    app.add_option("-p,--port", options.port, "TCP port");
    app.add_option("-m,--max-protocol", options.protocol, "SMB2_02, SMB2_10, SMB3_00, SMB3_02 or SMB3_11");
    app.add_option("--client-guid", options.client_guid, "Any word; without it, a random one");
    app.add_option("--previous-session", options.previous_session, "The id of a session that the log-on ends (MS-SMB2 3.3.5.5.3)");
    app.add_flag("--seal", options.seal, "Seal every request");
    app.add_flag("--sign", options.sign, "Sign every request");
    CLI11_PARSE(app, argc, argv);
    Holder holder;
    const NtStatus connected = holder.connect(options);
    std::cout << to_string(connected) << std::endl;
    if (is_error(connected)) return 1;
    for (std::string line; std::getline(std::cin, line);) std::cout << holder.answer(line) << std::endl;
    std::_Exit(0);
}

}  // namespace
}  // namespace Atoll::torture

int main(int argc, char** argv) { return Atoll::torture::main(argc, argv); }
