// What services need, in memory: a configuration from text, tables with the records that a test puts into them, messages that are kept.
#pragma once

#include <vector>

#include "base/assert.h"
#include "smbd/services/services.h"

namespace Atoll::services {

class TablesInMemory final : public xsrv::TableViews {
 public:
    std::vector<xsrv::session_global> sessions;
    std::vector<xsrv::tcon_global> tcons;
    std::vector<xsrv::open_global> opens;

    Result<void> for_each_session(const std::function<void(const xsrv::session_global&)>& visit) override {
        for (const auto& record : sessions) visit(record);
        return {};
    }
    Result<void> for_each_tcon(const std::function<void(const xsrv::tcon_global&)>& visit) override {
        for (const auto& record : tcons) visit(record);
        return {};
    }
    Result<void> for_each_open(const std::function<void(const xsrv::open_global&)>& visit) override {
        for (const auto& record : opens) visit(record);
        return {};
    }
};

struct SentMessage {
    messaging::ServerId to;
    uint32_t type = 0;
    std::vector<uint8_t> payload;
};

class MessagesInMemory final : public messaging::Messaging {
 public:
    std::vector<SentMessage> sent;

    [[nodiscard]] const messaging::ServerId& self() const override { return self_; }
    Result<void> send(const messaging::ServerId& to, uint32_t type, Bytes payload, std::span<const int>) override {
        sent.push_back({to, type, {payload.begin(), payload.end()}});
        return {};
    }
    Result<void> send_at_once(const messaging::ServerId& to, uint32_t type, Bytes payload) override { return send(to, type, payload, {}); }
    void failed(uint32_t, FailureReceiver) override {}
    size_t broadcast(messaging::ProcessClass, uint32_t, Bytes) override { return 0; }
    void receive(uint32_t, Receiver) override {}
    bool flush(std::chrono::milliseconds) override { return true; }
    [[nodiscard]] bool exists(const messaging::ServerId&) const override { return true; }
    void forget(const messaging::ServerId&) override {}

 private:
    messaging::ServerId self_;
};

struct TestContext {
    explicit TestContext(std::string_view smb_conf) {
        auto loaded = conf::load_text(smb_conf);
        ATOLL_ASSERT(loaded.ok());
        configuration = *loaded;
    }

    std::shared_ptr<const conf::Configuration> configuration;
    loop::Loop loop;
    TablesInMemory tables;
    MessagesInMemory messages;
    ServicesContext context{[this] { return configuration; }, loop, tables, messages,
                            [](const xsrv::open_global& open) { return open.persistent_id == 0x1200000034 ? 3u : 0u; }};

    [[nodiscard]] static Caller user(const std::string& name, bool administrator = false) {
        Caller caller;
        caller.session = xsrv::make_ref<xsrv::Session>(uint64_t{1});
        caller.session->account_name = name;
        caller.session->domain_name = "SERVER";
        caller.session->is_anonymous = name.empty();
        if (administrator) caller.session->token.group_sids.push_back(well_known::administrators);
        caller.end = {"192.0.2.7", "192.0.2.1", 0x0311};
        return caller;
    }
};

}  // namespace Atoll::services
