// The one implementation of ClientProcess: what the handlers of one process share, and how its objects begin and end.
// Main thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libcli/security/security_descriptor.h"
#include "smbd/fsa/fsa.h"
#include "smbd/services/services.h"
#include "smbd/smb2/break_notices.h"
#include "smbd/smb2/client_process.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/create_replay.h"
#include "smbd/smb2/persistence.h"
#include "smbd/xsrv/open.h"
#include "smbd/xsrv/session.h"
#include "smbd/xsrv/tables.h"
#include "smbd/xsrv/tcon.h"

namespace Atoll::smb2 {

class Client final : public ClientProcess, private fsa::BreakSink {
 public:
    explicit Client(ProcessContext context);
    ~Client() override;

    Result<void, NtStatus> bind_channel(UniqueFd& socket, ChannelState channel, Bytes frame, Bytes unread) override;
    Result<void, NtStatus> take_channel(UniqueFd socket, ChannelState channel, const PreauthHash& session_preauth_hash, LogonGrant grant,
                                        Bytes frame, Bytes unread) override;
    // administration.cpp
    void reload(std::shared_ptr<const conf::Configuration> configuration) override;
    void close_share(std::string_view name) override;
    void close_denied_share(std::string_view name) override;
    void close_channels_from(std::string_view address) override;
    void shutdown() override;

    loop::Loop& loop() { return context_.loop; }
    loop::WorkerPool& pool() { return context_.pool; }
    LogonVerifier& verifier() { return context_.verifier; }
    messaging::Messaging& messaging() { return context_.messaging; }
    const conf::Configuration& configuration() const { return *context_.configuration; }
    std::shared_ptr<const conf::Configuration> shared_configuration() const { return context_.configuration; }
    [[nodiscard]] bool is_clustered() const { return static_cast<bool>(context_.need_service); }
    void need_service() const {
        if (context_.need_service) context_.need_service();
    }
    xsrv::OpenTable& opens() { return opens_; }
    xsrv::Tables& tables() { return context_.tables; }
    services::Services& services() { return *services_; }
    fsa::FileSystem& file_system() { return *file_system_; }
    [[nodiscard]] uint32_t max_credits() const;
    uint64_t next_channel_id() { return ++last_channel_id_; }

    accounts::IdCache& ids() { return ids_; }
    CreateReplays& create_replays() { return create_replays_; }
    Persistence& persistence() { return persistence_; }
    std::string& path_scratch() { return path_scratch_; }
    std::vector<fsa::LockRange>& lock_ranges() { return lock_ranges_; }  // scratch
    std::vector<Request*>& lock_waits() { return lock_waits_; }          // LOCKs that wait for their range
    security::SecurityDescriptor& descriptor_scratch() { return descriptor_scratch_; }

    // Of any of its channels; null: this process has none of this id.
    [[nodiscard]] xsrv::Ref<xsrv::Session> find_session(uint64_t session_id) const;

    // --- How objects end; each also takes its record out of its table.
    // And all its tree connects and opens; those that outlive it wait for their client from then on (MS-SMB2 3.3.5.6, 3.3.7.1).
    void end_session(xsrv::Session& session);
    bool end_session(uint64_t session_id);                    // false: this process has none of this id
    void end_tcon(xsrv::Session& session, xsrv::Tcon& tcon);  // and all its opens
    void end_tcons(xsrv::Session& session);
    Result<void, NtStatus> close_open(xsrv::Open& open, fsa::FileInfo* info = nullptr);
    // The record of one of this process's opens is nobody's from now on, and the housekeeper minds its time.
    void open_is_away(uint64_t persistent_id, const std::string& name, const xsrv::durable_open& state);
    void connection_ended(Connection& connection);  // sessions that have no other channel end
    // A waiting create of a channel that ends, whose replay may come on another one: it goes on.
    [[nodiscard]] bool may_be_replayed(const Request& request) const;
    // Removes connections that have ended and that nothing refers to, soon.
    void reap_later();

    [[nodiscard]] const std::vector<std::unique_ptr<Connection>>& connections() const { return connections_; }

 private:
    bool oplock_break(fsa::Open& file, fsa::OplockLevel to, bool acknowledge) override;
    bool lease_break(fsa::Open& file, const fsa::LeaseBreak& broken) override;
    void unanswered(fsa::Open& file, std::function<void()> then) override;
    // From other processes, and from this one's services (smbd/xsrv/message_types.h).
    tdb::Database* object_ids();
    void receive_messages();
    void end_open(xsrv::Open& open);
    bool disconnect_open(xsrv::Open& open);
    // Without telling the housekeeper, who is to be told of several at once.
    void note_open_away(uint64_t persistent_id, const std::string& name, const xsrv::durable_open& state);
    void tell_of_opens_away();
    void open_ended(uint64_t open_id);  // one whose client was away
    fsa::Share* share_at(const std::string& path);
    void end_lock_waits(const xsrv::Open& open);
    void end_unanswered_creates(const xsrv::Session& session);
    void reap();
    void close_opens(const xsrv::Session& session, const xsrv::Tcon& tcon);
    void end_tcons_that(const std::function<bool(Connection&, const xsrv::Session&, const xsrv::Tcon&)>& wanted);

    ProcessContext context_;
    accounts::IdCache ids_;
    std::unique_ptr<tdb::Database> object_ids_;  // null: nobody has asked for it
    std::unique_ptr<fsa::FileSystem> file_system_;
    std::unique_ptr<services::Services> services_;
    xsrv::OpenTable opens_;
    std::vector<std::unique_ptr<Connection>> connections_;
    BreakNotices break_notices_{*this};
    CreateReplays create_replays_;
    Persistence persistence_{*this, context_.durable};
    std::string path_scratch_;
    Buffer away_;  // persistent ids of which the housekeeper is still to be told
    std::vector<fsa::LockRange> lock_ranges_;
    std::vector<Request*> lock_waits_;
    security::SecurityDescriptor descriptor_scratch_;
    uint64_t last_channel_id_ = 0;
    bool reaping_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace Atoll::smb2
