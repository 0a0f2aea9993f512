// The share: how it is connected, again and again, and how its files are had back.
#include "libcli/client/failover.h"

#include <algorithm>

#include "base/utf.h"
#include "libcli/smb/ioctl.h"

namespace Atoll::client {
namespace {

using smb::Command;

constexpr std::chrono::milliseconds first_pause{10}, longest_pause{1000};
constexpr std::chrono::milliseconds connect_timeout{5000};
constexpr uint32_t resilient_ms = 60'000;

// What a server says, or its absence, that is about to change.
bool is_passing(NtStatus status) {
    switch (status) {
        case NtStatus::CONNECTION_DISCONNECTED:
        case NtStatus::CONNECTION_RESET:
        case NtStatus::CONNECTION_REFUSED:
        case NtStatus::IO_TIMEOUT:
        case NtStatus::INSUFFICIENT_RESOURCES:
        case NtStatus::SERVER_UNAVAILABLE:
        case NtStatus::FILE_NOT_AVAILABLE:
        case NtStatus::USER_SESSION_DELETED:
        case NtStatus::NETWORK_SESSION_EXPIRED:
        case NtStatus::NETWORK_NAME_DELETED: return true;
        default: return false;
    }
}

}  // namespace

FailoverShare::FailoverShare(loop::Loop& loop, FailoverOptions options) : loop_(loop), options_(std::move(options)) {
    ATOLL_ASSERT(!options_.addresses.empty());
}

FailoverShare::~FailoverShare() { drop_connection(); }

bool FailoverShare::is_smb3() const { return connection_->negotiated().dialect >= smb::Dialect::smb3_00; }

void FailoverShare::pause(std::chrono::milliseconds time) { (void)loop_.run_until(monotonic_now() + time); }

// What has been answered is; the rest is to be sent again.
void FailoverShare::drop_connection() {
    if (connection_) connection_->close();
    gather();
    for (const auto& operation : operations_) {
        if (operation->exchange_) operation->replays_++;
        operation->exchange_ = nullptr;
    }
    probe_.reset();
    tree_.reset();
    session_.reset();
    connection_.reset();
}

NtStatus FailoverShare::connect() {
    if (connected()) return NtStatus::SUCCESS;
    const Monotonic deadline = monotonic_now() + options_.patience;
    auto wait = first_pause;
    for (size_t attempt = 1;; attempt++) {
        const NtStatus status = connect_once();
        if (status == NtStatus::SUCCESS) return status;
        drop_connection();
        if (!is_passing(status) || monotonic_now() >= deadline) return status;
        address_ = (address_ + 1) % options_.addresses.size();
        if (attempt % options_.addresses.size() != 0) continue;
        pause(wait);
        wait = std::min(wait * 2, longest_pause);
    }
}

NtStatus FailoverShare::connect_once() {
    drop_connection();
    if (const NtStatus status = dial(); status != NtStatus::SUCCESS) return status;
    session_ = std::make_unique<Session>(*connection_);
    LogOnOptions log_on = options_.log_on;
    log_on.previous_session_id = session_id_;
    if (const NtStatus status = session_->log_on(options_.credentials, log_on); status != NtStatus::SUCCESS) return status;
    if (session_id_ != 0) {
        reconnects_++;
        channel_sequence_++;  // MS-SMB2 3.2.7.1: what comes late over the lost connection is of an older one
    }
    session_id_ = session_->id();
    auto tree = std::make_unique<Tree>(*session_);
    if (const NtStatus status = tree->connect(options_.share); status != NtStatus::SUCCESS) return status;
    tree_ = std::move(tree);
    return take_back_files();
}

NtStatus FailoverShare::dial() {
    const FailoverOptions::Address& address = options_.addresses[address_];
    auto opened = Connection::open(loop_, address.host, address.port, connect_timeout);
    if (!opened) return NtStatus::CONNECTION_REFUSED;
    connection_ = std::move(*opened);
    connection_->set_timeout(options_.answer_timeout);
    connection_->on_break = [this](Bytes message) { broken(message); };
    if (options_.on_connected) options_.on_connected(*connection_);
    return connection_->negotiate(options_.negotiate);
}

// A file that cannot be had back is lost, and the others go on; only a passing failure is one of all.
NtStatus FailoverShare::take_back_files() {
    for (const auto& file : files_) {
        const NtStatus status = file->durable() ? take_back(*file) : NtStatus::FILE_CLOSED;
        if (is_passing(status)) return status;
        file->lost_ = status;
    }
    std::erase_if(files_, [](const auto& file) { return file->lost_ != NtStatus::SUCCESS; });
    return NtStatus::SUCCESS;
}

// MS-SMB2 3.2.4.4
NtStatus FailoverShare::take_back(FailoverFile& file) {
    OpenOptions request = file.how_;
    request.contexts = {};
    request.contexts.lease = file.how_.contexts.lease;
    if (file.how_.contexts.durable_request_v2) {
        const uint32_t flags = file.persistent_ ? smb::durable_flags::persistent : 0;
        request.contexts.durable_reconnect_v2 =
            smb::DurableReconnectV2{file.id_, file.how_.contexts.durable_request_v2->create_guid, flags};
    } else {
        request.contexts.durable_reconnect = file.id_;
    }
    return create(file, request, 0);
}

// Sends a CREATE and takes over what its answer says of the open.
NtStatus FailoverShare::create(FailoverFile& file, const OpenOptions& request, uint32_t flags) {
    RequestOptions options;
    options.flags = flags;
    options.channel_sequence = is_smb3() ? channel_sequence_ : uint16_t{0};
    auto response = tree_->call<smb::CreateResponse>(Command::create, CreateCall(file.name_, request), options);
    if (!response) return response.error();
    const auto contexts = smb::CreateResponseContexts::decode(response->contexts);
    if (!contexts) return contexts.error();
    file.id_ = response->file_id;
    if (contexts->durable || contexts->durable_v2) file.durable_ = true;
    if (contexts->durable_v2) file.persistent_ = (contexts->durable_v2->flags & smb::durable_flags::persistent) != 0;
    if (file.how_.contexts.lease && contexts->lease) {
        file.how_.contexts.lease->state = contexts->lease->state;
        file.how_.contexts.lease->epoch = contexts->lease->epoch;
    }
    return NtStatus::SUCCESS;
}

OpenOptions FailoverShare::first_request(const FailoverOpen& how) const {
    OpenOptions o;
    o.access = how.access;
    o.attributes = how.attributes;
    o.share = how.share;
    o.disposition = how.disposition;
    o.options = how.options;
    const smb::Dialect dialect = connection_->negotiated().dialect;
    if (dialect == smb::Dialect::smb2_02) return o;
    o.oplock = how.lease == 0 ? smb::OplockLevel::batch : smb::OplockLevel::lease;
    if (how.lease != 0) {
        smb::LeaseContext lease;
        lease.version = is_smb3() ? 2 : 1;
        lease.key = Guid::random();
        lease.state = how.lease;
        o.contexts.lease = lease;
    }
    if (!is_smb3()) {
        o.contexts.durable_request = true;
        return o;
    }
    const bool available = (tree_->response().capabilities & smb::share_cap::continuous_availability) != 0;
    o.contexts.durable_request_v2 = smb::DurableRequestV2{how.timeout_ms, available ? smb::durable_flags::persistent : 0, Guid::random()};
    return o;
}

Result<std::shared_ptr<FailoverFile>, NtStatus> FailoverShare::open(std::string_view name, const FailoverOpen& how) {
    if (!is_valid_utf8(name)) return NtStatus::OBJECT_NAME_INVALID;
    const std::shared_ptr<FailoverFile> file(new FailoverFile(*this));
    file->name_ = name;
    const Monotonic deadline = monotonic_now() + options_.patience;
    bool asked = false;
    for (auto wait = first_pause;; wait = std::min(wait * 2, longest_pause)) {
        if (const NtStatus status = connect(); status != NtStatus::SUCCESS) return status;
        const bool there = !files_.empty() && files_.back() == file;
        const NtStatus status = there ? make_resilient(*file, how.timeout_ms) : open_once(file, how, asked);
        asked = true;
        if (status == NtStatus::SUCCESS && (there || !how.resilient)) return file;
        if (status == NtStatus::SUCCESS) continue;
        if (!is_passing(status) || monotonic_now() >= deadline) {
            if (there) (void)file->close();
            return status;
        }
        if (status != NtStatus::FILE_NOT_AVAILABLE) drop_connection();
        pause(wait);
    }
}

// `again`: it may have been done already.
NtStatus FailoverShare::open_once(const std::shared_ptr<FailoverFile>& file, const FailoverOpen& how, bool again) {
    const bool available = (tree_->response().capabilities & smb::share_cap::continuous_availability) != 0;
    if (!again || !available) file->how_ = first_request(how);
    file->lost_ = NtStatus::SUCCESS;
    file->durable_ = file->resilient_ = false;
    const NtStatus status = create(*file, file->how_, again && available ? smb::header_flags::replay_operation : 0);
    if (status == NtStatus::SUCCESS) files_.push_back(file);
    return status;
}

NtStatus FailoverShare::make_resilient(FailoverFile& file, uint32_t timeout_ms) {
    Buffer input;
    ByteWriter out(input);
    smb::ResiliencyRequest{timeout_ms == 0 ? resilient_ms : timeout_ms}.encode(out);
    smb::IoctlRequest request;
    request.ctl_code = smb::ControlCode::lmr_request_resiliency;
    request.file_id = file.id_;
    request.input = input;
    request.flags = smb::ioctl_flags::is_fsctl;
    RequestOptions options;
    options.channel_sequence = is_smb3() ? channel_sequence_ : uint16_t{0};
    file.resilient_ = true;  // it may be, from now on
    return connection_->wait(tree_->start(Command::ioctl, request, options));
}

// Nothing is cached here, so that whatever the server takes back is given at once (MS-SMB2 3.2.5.19).
void FailoverShare::broken(Bytes message) {
    if (!tree_) return;
    if (const auto lease = smb::LeaseBreakNotification::decode(message)) {
        for (const auto& file : files_) {
            auto& held = file->how_.contexts.lease;
            if (!held || held->key != lease->key) continue;
            held->state = lease->new_state;
            held->epoch = lease->new_epoch;
        }
        if ((lease->flags & smb::lease_break_flags::ack_required) != 0)
            (void)tree_->start(Command::oplock_break, smb::LeaseBreakAck{lease->key, lease->new_state});
        return;
    }
    const auto oplock = smb::OplockBreak::decode(message);
    if (!oplock) return;
    for (const auto& file : files_) {
        if (!(file->id_ == oplock->file_id) || file->how_.oplock == smb::OplockLevel::lease) continue;
        const bool must_answer = file->how_.oplock != smb::OplockLevel::ii;  // 3.2.5.19.1
        file->how_.oplock = oplock->oplock_level;
        if (must_answer) (void)tree_->start(Command::oplock_break, smb::OplockBreak{oplock->oplock_level, oplock->file_id});
    }
}

}  // namespace Atoll::client
