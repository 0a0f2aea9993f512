#include "smbd/services/services.h"

#include "base/utf.h"
#include "smbd/services/rpc_pipe.h"
#include "smbd/services/srvsvc.h"
#include "smbd/services/wkssvc.h"

namespace Atoll::services {
namespace {

using Interfaces = std::vector<std::unique_ptr<rpc::Interface>>;

struct PipeEntry {
    std::string_view name;
    Interfaces (*make)(ServicesContext& context, const Caller& caller);
};

template <class Service>
Interfaces one(ServicesContext& context, const Caller& caller) {
    Interfaces out;
    out.push_back(std::make_unique<Service>(context, caller));
    return out;
}

constexpr PipeEntry pipes[] = {{"srvsvc", one<Srvsvc>}, {"wkssvc", one<Wkssvc>}};

const PipeEntry* find(std::string_view name) {
    for (const PipeEntry& pipe : pipes) {
        if (equal_ignoring_ascii_case(pipe.name, name)) return &pipe;
    }
    return nullptr;
}

}  // namespace

bool Services::has(std::string_view name) const { return context_.configuration()->global().nt_pipe_support && find(name) != nullptr; }

xsrv::Ref<xsrv::Pipe> Services::open(std::string_view name, const Caller& caller) {
    const PipeEntry* entry = find(name);
    ATOLL_ASSERT(entry != nullptr);
    auto pipe = xsrv::make_ref<xsrv::Pipe>(context_.loop, std::string(entry->name));
    pipe->attach(std::make_unique<RpcPipe>(entry->make(context_, caller), associations_, "\\PIPE\\" + std::string(entry->name)));
    return pipe;
}

}  // namespace Atoll::services
