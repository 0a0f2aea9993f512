// A watched tree in which all make, rename and remove files with names of their own: every watcher is told of each, once.
#include <fmt/format.h>

#include <set>

#include "base/utf.h"
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/session.h"
#include "torture/hammer/client.h"

namespace Atoll::hammer {
namespace {

constexpr const char* top = "hammer\\watched";
constexpr size_t max_names = 6;
constexpr std::chrono::seconds patience{10};

class NotifyWork final : public Work {
 public:
    explicit NotifyWork(HammerClient& client) : client_(client), world_(client.world) {}

    NtStatus connected() override {
        auto directory = client::File::open(*client_.tree, top, client::OpenOptions::directory(true));
        if (!directory) return directory.error();
        watched_ = directory->id();
        watch();
        // With an interim response the watch is there, for what local programs change as well.
        const bool there = client_.connection->wait_until([&] { return request_->interim(); }, patience);
        const NtStatus status = there ? NtStatus::SUCCESS : NtStatus::IO_TIMEOUT;
        auto& watcher = world_.watchers[client_.number];
        watcher.notices.clear();
        watcher.since = world_.tick();
        return status;
    }

    void step() override {
        check_told();
        if (busy_) return;
        if (names_.empty() || (names_.size() < max_names && world_.chance(0.5))) return make();
        world_.chance(0.5) ? rename() : remove();
    }

    bool finish() override {
        check_told();
        if (!busy_ && !names_.empty()) remove();
        if (busy_ || !names_.empty()) return false;
        auto at = world_.watchers.find(client_.number);
        if (at != world_.watchers.end() && !at->second.notices.complete()) return false;
        if (closing_) return closed_;
        closing_ = true;
        world_.watchers.erase(client_.number);
        client_.ask(smb::Command::close, smb::CloseRequest{0, watched_}, [this](NtStatus, client::Exchange&) { closed_ = true; });
        return false;
    }

    void lost() override {
        world_.watchers.erase(client_.number);
        busy_ = true;
    }

 private:
    void watch() {
        smb::ChangeNotifyRequest request;
        request.flags = smb::change_notify_flags::watch_tree;
        request.output_buffer_length = 16384;
        request.file_id = watched_;
        request.completion_filter = smb::notify_change::file_name | smb::notify_change::dir_name;
        request_ =
            client_.ask(smb::Command::change_notify, request, [this](NtStatus status, client::Exchange& answer) { told(status, answer); });
    }

    void told(NtStatus status, client::Exchange& answer) {
        if (closing_ && (status == NtStatus::NOTIFY_CLEANUP || status == NtStatus::FILE_CLOSED)) return;
        auto& watcher = world_.watchers[client_.number];
        if (status == NtStatus::NOTIFY_ENUM_DIR) {
            world_.count("notifications that overflowed");
            watcher.notices.overflowed();
            watcher.since = world_.tick();  // what was on its way meanwhile may be among what was not told
            return watch();
        }
        auto response = answer.decode<smb::OutputBufferResponse>();
        if (!response) return world_.fault(client_.name() + ": CHANGE_NOTIFY gives " + to_string(status));
        smb::EntryListReader list(response->output);
        while (auto entry = smb::next_notify(list)) take(watcher, *entry);
        if (list.malformed()) world_.fault(client_.name() + ": a notification that does not decode");
        watch();
    }

    void take(World::Watcher& watcher, const smb::NotifyEntry& entry) {
        using smb::NotifyAction;
        const auto name = utf16le_to_utf8(entry.name);
        if (!name) return world_.fault(client_.name() + ": a notification of a name that is no UTF-16");
        world_.count("notifications");
        std::string wrong;
        if (entry.action == NotifyAction::added || entry.action == NotifyAction::renamed_new_name)
            wrong = watcher.notices.told(*name, Notices::Kind::added);
        if (entry.action == NotifyAction::removed || entry.action == NotifyAction::renamed_old_name)
            wrong = watcher.notices.told(*name, Notices::Kind::removed);
        if (!wrong.empty() && !world_.options.twice_is_fine) world_.fault(client_.name() + ": " + wrong);
    }

    void check_told() {
        const auto at = world_.watchers.find(client_.number);
        if (at == world_.watchers.end()) return;
        const std::string missing = at->second.notices.overdue(monotonic_now());
        if (missing.empty()) return;
        world_.fault(client_.name() + " is not told of " + missing);
        at->second.notices.overflowed();
    }

    std::string new_name() { return fmt::format("{}c{}n{}", world_.chance(0.3) ? "below\\" : "", client_.number, world_.next_name++); }
    static std::string full(const std::string& name) { return std::string(top) + "\\" + name; }

    void open(const std::string& name, smb::CreateDisposition disposition, std::function<void(smb::FileId)> then) {
        busy_ = true;
        client::OpenOptions options;
        options.access = smb::access_mask::delete_access | smb::access_mask::file_read_attributes;
        options.disposition = disposition;
        client_.ask(smb::Command::create, client::CreateCall(full(name), options),
                    [this, name, then = std::move(then)](NtStatus status, client::Exchange& answer) {
                        auto response = answer.decode<smb::CreateResponse>();
                        if (response) return then(response->file_id);
                        busy_ = false;
                        world_.fault(fmt::format("{}: CREATE of {} gives {}", client_.name(), name, to_string(status)));
                    });
    }
    void close(smb::FileId id, std::function<void()> then) {
        client_.ask(smb::Command::close, smb::CloseRequest{0, id}, [this, then = std::move(then)](NtStatus, client::Exchange&) {
            busy_ = false;
            then();
        });
    }
    void set(smb::FileId id, smb::FileInformationClass information_class, Bytes bytes, std::function<void(NtStatus)> then) {
        smb::SetInfoRequest request;
        request.info_class = static_cast<uint8_t>(information_class);
        request.file_id = id;
        request.buffer = bytes;
        client_.ask(smb::Command::set_info, request, [then = std::move(then)](NtStatus status, client::Exchange&) { then(status); });
    }

    void make() {
        const std::string name = new_name();
        const Moment asked = world_.tick();
        open(name, smb::CreateDisposition::create, [this, name, asked](smb::FileId id) {
            world_.count("files made");
            world_.changed(name, Notices::Kind::added, asked);
            close(id, [this, name] { names_.insert(name); });
        });
    }

    void remove() {
        const std::string name = *names_.begin();
        names_.erase(names_.begin());
        open(name, smb::CreateDisposition::open, [this, name](smb::FileId id) {
            const uint8_t yes = 1;
            set(id, smb::FileInformationClass::disposition, {&yes, 1}, [this, name, id](NtStatus status) {
                if (status != NtStatus::SUCCESS)
                    world_.fault(fmt::format("{}: deleting {} gives {}", client_.name(), name, to_string(status)));
                const Moment asked = world_.tick();
                close(id, [this, name, asked] {
                    world_.count("files removed");
                    world_.changed(name, Notices::Kind::removed, asked);
                });
            });
        });
    }

    void rename() {
        const std::string from = *names_.rbegin(), to = new_name();
        names_.erase(from);
        open(from, smb::CreateDisposition::open, [this, from, to](smb::FileId id) {
            const auto wide = utf8_to_utf16le(full(to));
            Buffer bytes;
            ByteWriter out(bytes);
            smb::FileRenameInformation{0, 0, *wide}.encode(out, false);
            const Moment asked = world_.tick();
            set(id, smb::FileInformationClass::rename, bytes, [this, from, to, id, asked](NtStatus status) {
                if (status != NtStatus::SUCCESS)
                    world_.fault(fmt::format("{}: renaming {} gives {}", client_.name(), from, to_string(status)));
                world_.count("files renamed");
                world_.changed(from, Notices::Kind::removed, asked);
                world_.changed(to, Notices::Kind::added, asked);
                close(id, [this, to] { names_.insert(to); });
            });
        });
    }

    HammerClient& client_;
    World& world_;
    smb::FileId watched_;
    client::ExchangePtr request_;  // the CHANGE_NOTIFY that waits
    std::set<std::string> names_;
    bool busy_ = false, closing_ = false, closed_ = false;
};

}  // namespace

std::unique_ptr<Work> notify_work(HammerClient& client) { return std::make_unique<NotifyWork>(client); }

}  // namespace Atoll::hammer
