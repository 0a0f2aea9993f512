// Shares (MS-SRVS 3.1.4.7 to 3.1.4.16).
#include "base/utf.h"
#include "smbd/services/page.h"
#include "smbd/services/srvsvc.h"
#include "smbd/services/uses.h"

namespace Atoll::services {
namespace {

using namespace srvsvc;

// MS-SRVS 2.2.4.29
constexpr uint32_t csc_shift = 4;
constexpr uint32_t encrypt_data = 0x8000;

struct UsedShare {
    ShareView share;
    uint32_t uses = 0;
};

uint32_t flags_of(const ShareView& share) { return share.csc_policy << csc_shift | (share.encrypts ? encrypt_data : 0); }

std::vector<uint8_t> security_of_shares() {
    const Buffer bytes = default_share_security();
    return {bytes.data(), bytes.data() + bytes.size()};
}

void put(const UsedShare& from, SHARE_INFO_0& to) { to.shi0_netname = from.share.name; }

void put(const UsedShare& from, SHARE_INFO_1& to) {
    to.shi1_netname = from.share.name;
    to.shi1_type = from.share.type;
    to.shi1_remark = from.share.comment;
}

void put(const UsedShare& from, SHARE_INFO_2& to) {
    to.shi2_netname = from.share.name;
    to.shi2_type = from.share.type;
    to.shi2_remark = from.share.comment;
    to.shi2_max_uses = from.share.max_users;
    to.shi2_current_uses = from.uses;
    to.shi2_path = from.share.path;
    to.shi2_passwd = "";
}

void put(const UsedShare& from, SHARE_INFO_501& to) {
    to.shi501_netname = from.share.name;
    to.shi501_type = from.share.type;
    to.shi501_remark = from.share.comment;
    to.shi501_flags = from.share.csc_policy << csc_shift;
}

void put(const UsedShare& from, SHARE_INFO_502_I& to) {
    to.shi502_netname = from.share.name;
    to.shi502_type = from.share.type;
    to.shi502_remark = from.share.comment;
    to.shi502_max_uses = from.share.max_users;
    to.shi502_current_uses = from.uses;
    to.shi502_path = from.share.path;
    to.shi502_passwd = "";
    to.shi502_security_descriptor = security_of_shares();
}

size_t size_of(const UsedShare& entry) {
    constexpr size_t fixed = 40;  // of SHARE_INFO_502_I, the largest
    return fixed + text_size(entry.share.name) + text_size(entry.share.comment) + text_size(entry.share.path);
}

template <class Container>
void fill(std::optional<Container>& out, std::span<const UsedShare> entries) {
    auto& buffer = out.emplace().Buffer.emplace();
    for (const UsedShare& entry : entries) put(entry, buffer.emplace_back());
}

bool fill(SHARE_ENUM_STRUCT& out, uint32_t level, std::span<const UsedShare> entries) {
    switch (level) {
        case 0: fill(out.ShareInfo.make_Level0(), entries); return true;
        case 1: fill(out.ShareInfo.make_Level1(), entries); return true;
        case 2: fill(out.ShareInfo.make_Level2(), entries); return true;
        case 501: fill(out.ShareInfo.make_Level501(), entries); return true;
        case 502: fill(out.ShareInfo.make_Level502(), entries); return true;
        default: return false;
    }
}

bool fill(SHARE_INFO& out, uint32_t level, const UsedShare& share) {
    switch (level) {
        case 0: put(share, out.make_ShareInfo0().emplace()); return true;
        case 1: put(share, out.make_ShareInfo1().emplace()); return true;
        case 2: put(share, out.make_ShareInfo2().emplace()); return true;
        case 501: put(share, out.make_ShareInfo501().emplace()); return true;
        case 502: put(share, out.make_ShareInfo502().emplace()); return true;
        case 1004: out.make_ShareInfo1004().emplace().shi1004_remark = share.share.comment; return true;
        case 1005: out.make_ShareInfo1005().emplace().shi1005_flags = flags_of(share.share); return true;
        case 1006: out.make_ShareInfo1006().emplace().shi1006_max_uses = share.share.max_users; return true;
        case 1501: out.make_ShareInfo1501().emplace().shi1501_security_descriptor = security_of_shares(); return true;
        default: return false;
    }
}

}  // namespace

template <class F>
uint32_t Srvsvc::enumerate_shares(const typename F::In& in, typename F::Out& out, bool hidden_too) {
    out.InfoStruct = in.InfoStruct;
    out.ResumeHandle = in.ResumeHandle;
    const auto uses = uses_of_shares(context_.tables);
    std::vector<UsedShare> all;
    for (ShareView& share : browseable_shares(*configuration(), caller_)) {
        if (!hidden_too && share.is_hidden()) continue;
        const auto found = uses.find(to_upper_utf8(share.name));
        all.push_back({std::move(share), found == uses.end() ? 0 : found->second});
    }
    const auto page = page_of(all, in.PreferedMaximumLength, in.ResumeHandle, size_of);
    if (!fill(out.InfoStruct, in.InfoStruct.Level, page.entries)) return net_error::invalid_level;
    out.TotalEntries = page.total;
    out.ResumeHandle = page.resume;
    return page.result;
}

uint32_t Srvsvc::handle(const NetrShareEnum::In& in, NetrShareEnum::Out& out) { return enumerate_shares<NetrShareEnum>(in, out, true); }

// Of the shares that outlive a restart, which all of smb.conf do, those that a user looks for: not the hidden ones.
uint32_t Srvsvc::handle(const NetrShareEnumSticky::In& in, NetrShareEnumSticky::Out& out) {
    if (in.InfoStruct.Level == 501) {  // MS-SRVS 3.1.4.9: not here
        out.InfoStruct = in.InfoStruct;
        out.ResumeHandle = in.ResumeHandle;
        return net_error::invalid_level;
    }
    return enumerate_shares<NetrShareEnumSticky>(in, out, false);
}

uint32_t Srvsvc::handle(const NetrShareGetInfo::In& in, NetrShareGetInfo::Out& out) {
    const auto share = find_share(*configuration(), caller_, in.NetName);
    if (!share) return net_error::net_name_not_found;
    const auto uses = uses_of_shares(context_.tables);
    const auto found = uses.find(to_upper_utf8(share->name));
    return fill(out.InfoStruct, in.Level, {*share, found == uses.end() ? 0 : found->second}) ? net_error::success
                                                                                             : net_error::invalid_level;
}

// Shares are smb.conf's, which no client changes.
uint32_t Srvsvc::refuse_change(const std::string& share) const {
    return find_share(*configuration(), caller_, share) ? net_error::access_denied : net_error::net_name_not_found;
}

uint32_t Srvsvc::handle(const NetrShareAdd::In&, NetrShareAdd::Out& out) {
    out.ParmErr = 0;
    return net_error::access_denied;
}

uint32_t Srvsvc::handle(const NetrShareSetInfo::In& in, NetrShareSetInfo::Out& out) {
    out.ParmErr = in.ParmErr;
    return refuse_change(in.NetName);
}

uint32_t Srvsvc::handle(const NetrShareDel::In& in, NetrShareDel::Out&) { return refuse_change(in.NetName); }
uint32_t Srvsvc::handle(const NetrShareDelSticky::In& in, NetrShareDelSticky::Out&) { return refuse_change(in.NetName); }
uint32_t Srvsvc::handle(const NetrShareDelStart::In& in, NetrShareDelStart::Out&) { return refuse_change(in.NetName); }

// MS-SRVS 3.1.4.16: which share a device is shared as.
uint32_t Srvsvc::handle(const NetrShareCheck::In& in, NetrShareCheck::Out& out) {
    for (const ShareView& share : browseable_shares(*configuration(), caller_)) {
        if (!equal_ignoring_case(share.path, in.Device)) continue;
        out.Type = share.type;
        return net_error::success;
    }
    return net_error::device_not_shared;
}

}  // namespace Atoll::services
