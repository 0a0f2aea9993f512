#include "smbd/fsa/notifier.h"

#include <chrono>

#include "base/log.h"
#include "idl/level.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/notify_messages.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

constexpr auto pay_interval = std::chrono::milliseconds(20);

std::string_view directory_of(std::string_view path) {
    const size_t slash = path.rfind('/');
    return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

}  // namespace

Notifier::Notifier(tdb::Database* notify_index, messaging::Messaging* messaging, loop::Loop* loop, NotifyReceiver* own)
    : index(messaging != nullptr && loop != nullptr ? notify_index : nullptr), messaging_(messaging), own_(own) {
    if (index.usable()) pay_ = std::make_unique<loop::Timer>(*loop, [this] { pay(); });
}

Notifier::~Notifier() = default;

std::string Notifier::full_path(const ShareRoot& share, std::string_view name) {
    std::string path = share.real_path();
    if (name.empty()) return path;
    if (path.size() > 1) path += '/';
    path += name;
    return path;
}

Notifier::Recipient& Notifier::recipient(const tdb::server_id& process) {
    for (size_t i = 0; i < recipients_in_use_; i++) {
        if (recipients_[i].process == process) return recipients_[i];
    }
    if (recipients_in_use_ == recipients_.size()) recipients_.emplace_back();
    Recipient& fresh = recipients_[recipients_in_use_++];
    fresh.process = process;
    fresh.news.news = notify_news::NOTIFY_CHANGED;
    fresh.news.changes.clear();
    fresh.change = 0;
    return fresh;
}

// MS-FSA 2.1.4.1: its parent is asked, and those above that watch their trees. A watch of the file itself does not hear of it.
// With `but_not`, who watches for that is not told.
void Notifier::add(std::string_view path, NotifyAction action, uint32_t filter, uint32_t but_not) {
    ++change_;
    bool immediate = true;
    for (std::string_view directory = path; directory.size() > 1; immediate = false) {
        directory = directory_of(directory);
        for (const directory_watch& watch : index.watches_of(directory)) {
            if ((watch.filter & filter) == 0 || (watch.filter & but_not) != 0 || (!immediate && !watch.tree)) continue;
            Recipient& to = recipient(watch.holder);
            if (to.change != change_) {
                to.change = change_;
                to.news.changes.push_back({static_cast<uint32_t>(action), std::string(path), {}});
            }
            const size_t offset = directory.size() == 1 ? 1 : directory.size() + 1;
            to.news.changes.back().watches.push_back({watch.open_id, static_cast<uint32_t>(offset)});
        }
    }
}

// A change that this process has made.
void Notifier::add_own(std::string_view path, NotifyAction action, uint32_t filter, uint32_t but_not) {
    add(path, action, filter, but_not);
    if (index.hears_own_changes(messaging_->self().node) != nullptr)
        own_news_.changes.push_back({static_cast<uint32_t>(action), std::string(path), {}});
}

void Notifier::send() {
    for (size_t i = 0; i < recipients_in_use_; i++) tell(recipients_[i].process, recipients_[i].news);
    recipients_in_use_ = 0;
    if (own_news_.changes.empty()) return;
    encoded_.clear();
    own_news_.news = notify_news::NOTIFY_CHANGED;
    encode(own_news_, encoded_, idl::written_level());
    own_news_.changes.clear();
    // What does not arrive is told twice.
    if (const auto* watcher = index.hears_own_changes(messaging_->self().node))
        (void)messaging_->send(messaging::ServerId(*watcher), message_own_change, encoded_).ok();
}

void Notifier::tell(const tdb::server_id& process, const notify_told& news) {
    const messaging::ServerId to(process);
    if (to == messaging_->self()) {
        if (own_ != nullptr) own_->told(news);
        return;
    }
    if (owed_.contains(to)) return owe(process, news);  // in their order: what it missed is told first
    encoded_.clear();
    encode(news, encoded_, idl::written_level());
    const auto sent = messaging_->send(to, message_notify, encoded_);
    if (!sent && sent.error().code != Code::dead) owe(process, news);
}

void Notifier::owe(const tdb::server_id& process, const notify_told& news) {
    const messaging::ServerId to(process);
    if (owed_.size() >= limits::max_owed_notify_holders && !owed_.contains(to))
        return log_error("changes that {} watches for cannot be told", messaging::to_string(to));
    auto& opens = owed_[to];
    for (const told_change& change : news.changes) {
        for (const told_watch& watch : change.watches) opens.insert(watch.open_id);
    }
    if (!pay_->is_set()) pay_->set_in(pay_interval);
}

void Notifier::pay() {
    for (auto it = owed_.begin(); it != owed_.end();) {
        notify_told news;
        news.news = notify_news::NOTIFY_LOST;
        news.changes.emplace_back();
        for (const uint64_t open_id : it->second) news.changes.back().watches.push_back({open_id, 0});
        encoded_.clear();
        encode(news, encoded_, idl::written_level());
        const auto sent = messaging_->send(it->first, message_notify, encoded_);
        it = sent || sent.error().code == Code::dead ? owed_.erase(it) : std::next(it);
    }
    if (!owed_.empty()) pay_->set_in(pay_interval);
}

void Notifier::report(std::string_view path, NotifyAction action, uint32_t filter) {
    add(path, action, filter);
    send();
}

void Notifier::report_own(std::string_view path, NotifyAction action, uint32_t filter) {
    add_own(path, action, filter);
    send();
}

// MS-FSA 2.1.5.15.12. In one message to each: the two names of a rename stand side by side.
void Notifier::renamed(const ShareRoot& share, std::string_view from, std::string_view to, bool directory, RenameTarget target,
                       std::string_view replaced) {
    if (!index.anyone()) return;
    const std::string old_path = full_path(share, from), new_path = full_path(share, to);
    const uint32_t name_filter = directory ? notify_filter::dir_name : notify_filter::file_name;
    const bool moves = directory_of(old_path) != directory_of(new_path);
    if (target == RenameTarget::other_case) add_own(full_path(share, replaced), NotifyAction::removed, notify_filter::file_name);
    const bool removes = moves || target == RenameTarget::same_name;
    add_own(old_path, removes ? NotifyAction::removed : NotifyAction::renamed_old_name, name_filter);
    if (target == RenameTarget::same_name) {
        add_own(new_path, NotifyAction::modified, notify_filter::other_file);
    } else {
        add_own(new_path, moves ? NotifyAction::added : NotifyAction::renamed_new_name, name_filter);
        // A file's archive attribute is set (and by tunneling its creation time, 2.1.5.15.12): told to those who do not hear of the name.
        if (!directory) add_own(new_path, NotifyAction::modified, notify_filter::attributes | notify_filter::creation, name_filter);
    }
    send();
    if (directory) moved(old_path, new_path);
}

void Notifier::report_rename(const std::string* from, const std::string* to, bool directory) {
    const uint32_t name_filter = directory ? notify_filter::dir_name : notify_filter::file_name;
    const bool within = from != nullptr && to != nullptr && directory_of(*from) == directory_of(*to);
    if (from != nullptr) add(*from, within ? NotifyAction::renamed_old_name : NotifyAction::removed, name_filter);
    if (to != nullptr) add(*to, within ? NotifyAction::renamed_new_name : NotifyAction::added, name_filter);
    send();
    if (directory && from != nullptr && to != nullptr) moved(*from, *to);
}

void Notifier::moved(std::string_view from, std::string_view to) {
    for (const auto& directory : index.move(from, to)) tell_watches(notify_news::NOTIFY_MOVED, directory.to, directory.watches);
}

void Notifier::marked_deleted(const ShareRoot& share, std::string_view name) {
    if (!index.anyone()) return;
    const std::string path = full_path(share, name);
    const std::vector<directory_watch> watches = index.watches_of(path);
    tell_watches(notify_news::NOTIFY_MARKED_DELETED, path, watches);
}

void Notifier::marked_deleted(const std::vector<share_mode>& opens) {
    if (!index.anyone()) return;
    std::vector<directory_watch> watches;
    for (const share_mode& open : opens) watches.push_back({open.holder, open.open_id, notify_filter::all, false});
    tell_watches(notify_news::NOTIFY_MARKED_DELETED, {}, watches);
}

void Notifier::report_lost() {
    for (const std::string& directory : index.directories()) {
        const std::vector<directory_watch> watches = index.watches_of(directory);
        tell_watches(notify_news::NOTIFY_LOST, directory, watches);
    }
}

void Notifier::tell_watches(notify_news what, std::string_view name, const std::vector<directory_watch>& watches) {
    ++change_;
    for (const directory_watch& watch : watches) {
        Recipient& to = recipient(watch.holder);
        if (to.change != change_) {
            to.change = change_;
            to.news.news = what;
            to.news.changes.push_back({0, std::string(name), {}});
        }
        to.news.changes.back().watches.push_back({watch.open_id, 0});
    }
    send();
}

}  // namespace Atoll::fsa
