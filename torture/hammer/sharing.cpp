// Opens and closes of a few files with every access and sharing: no two opens that exclude each other, no refusal without a reason.
#include <fmt/format.h>

#include "torture/hammer/client.h"

namespace Atoll::hammer {
namespace {

constexpr size_t max_held = 3;

class SharingWork final : public Work {
 public:
    explicit SharingWork(HammerClient& client) : client_(client), world_(client.world) {}

    NtStatus connected() override { return NtStatus::SUCCESS; }
    void step() override {
        if (busy_) return;
        if (held_.empty() || (held_.size() < max_held && world_.chance(0.6))) {
            open();
        } else {
            close();
        }
    }
    bool finish() override {
        if (!busy_ && !held_.empty()) close();
        return !busy_ && held_.empty();
    }
    void lost() override {
        world_.opens.client_lost(client_.number, world_.clock);
        busy_ = true;
    }

 private:
    using Claim = Claims<ShareClaim>::Claim;
    struct Held {
        Claim* claim;
        smb::FileId id;
    };

    ShareClaim random_claim() {
        using namespace smb::access_mask;
        constexpr uint32_t kinds[] = {file_read_data, file_write_data, file_append_data, file_execute, delete_access, file_read_attributes};
        ShareClaim claim{client_.number, world_.below(sharing_files), 0, static_cast<uint32_t>(world_.below(8))};
        if (world_.chance(0.4)) claim.share = smb::file_share::all;
        for (const uint32_t kind : kinds) claim.access |= world_.chance(0.3) ? kind : 0;
        if (claim.access == 0) claim.access = file_read_data;
        return claim;
    }

    void open() {
        busy_ = true;
        const ShareClaim wanted = random_claim();
        client::OpenOptions options;
        options.access = wanted.access;
        options.share = wanted.share;
        options.disposition = smb::CreateDisposition::open_if;
        options.options = smb::create_options::non_directory_file;
        Claim& claim = world_.opens.ask(wanted, world_.tick());
        client_.ask(smb::Command::create, client::CreateCall("hammer\\shared" + std::to_string(wanted.file), options),
                    [this, &claim](NtStatus status, client::Exchange& answer) { opened(claim, status, answer); });
    }

    void opened(Claim& claim, NtStatus status, client::Exchange& answer) {
        busy_ = false;
        const std::string what = describe(claim.what);
        if (status == NtStatus::SHARING_VIOLATION) {
            world_.count("opens refused");
            if (!world_.opens.refused(claim, world_.clock)) world_.fault(what + " is refused, and nobody is in its way");
            return;
        }
        auto response = answer.decode<smb::CreateResponse>();
        if (!response) {
            (void)world_.opens.refused(claim, world_.clock);
            return world_.fault(what + " gives " + to_string(status));
        }
        world_.count("opens");
        if (const Claim* other = world_.opens.granted(claim, world_.clock))
            world_.fault(what + " is granted beside " + describe(other->what));
        held_.push_back({&claim, response->file_id});
    }

    void close() {
        busy_ = true;
        const size_t at = static_cast<size_t>(world_.below(static_cast<int>(held_.size())));
        const Held held = held_[at];
        held_.erase(held_.begin() + static_cast<ptrdiff_t>(at));
        world_.opens.releasing(*held.claim, world_.tick());
        client_.ask(smb::Command::close, smb::CloseRequest{0, held.id}, [this, held](NtStatus status, client::Exchange&) {
            busy_ = false;
            world_.opens.released(*held.claim, world_.clock);
            if (status != NtStatus::SUCCESS) world_.fault("closing " + describe(held.claim->what) + " gives " + to_string(status));
        });
    }

    static std::string describe(const ShareClaim& claim) {
        return fmt::format("client {}'s open of file {} (access {:#x}, sharing {:#x})", claim.client, claim.file, claim.access,
                           claim.share);
    }

    HammerClient& client_;
    World& world_;
    std::vector<Held> held_;
    bool busy_ = false;
};

}  // namespace

std::unique_ptr<Work> sharing_work(HammerClient& client) { return std::make_unique<SharingWork>(client); }

}  // namespace Atoll::hammer
