// Talks by the Agent Client Protocol: `acp_editor.mjs ACP_URL TOKEN WHAT`; prints JSON.
import * as acp from "@agentclientprotocol/sdk";
import { createWebSocketStream } from "@agentclientprotocol/sdk/experimental/ws-client";
import { WebSocket } from "ws";

const [URL, TOKEN, WHAT] = process.argv.slice(2);
const { agent, client } = acp.methods;

async function connected(op) {
  const editor = { updates: [], asked: [] };
  editor.texts = (kind) =>
    editor.updates
      .filter((update) => update.sessionUpdate === kind)
      .map((update) => update.content.text)
      .join("");
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const stream = createWebSocketStream(URL, { WebSocket, headers });
  const app = acp
    .client({ name: "editor" })
    .onNotification(client.session.update, (ctx) => {
      editor.updates.push(ctx.params.update);
    })
    .onRequest(client.session.requestPermission, (ctx) => {
      editor.asked.push(ctx.params.toolCall.title);
      const allow = ctx.params.options.find((option) => option.kind === "allow_once");
      return { outcome: { outcome: "selected", optionId: allow.optionId } };
    });
  return app.connectWith(stream, async (ctx) => {
    const hello = await ctx.request(agent.initialize, { protocolVersion: 1 });
    return op(ctx, editor, hello);
  });
}

async function fresh(ctx) {
  const made = await ctx.request(agent.session.new, { cwd: "/home/someone", mcpServers: [] });
  return made.sessionId;
}

function ask(ctx, sessionId, text, options) {
  const prompt = [{ type: "text", text }];
  return ctx.request(agent.session.prompt, { sessionId, prompt }, options);
}

const parts = {
  talk: () =>
    connected(async (ctx, editor, hello) => {
      const answer = await ask(ctx, await fresh(ctx), "hello there");
      return {
        version: hello.protocolVersion,
        name: hello.agentInfo.name,
        text: editor.texts("agent_message_chunk"),
        stop: answer.stopReason,
        usage: editor.updates.some((update) => update.sessionUpdate === "usage_update"),
      };
    }),
  tools: () =>
    connected(async (ctx, editor) => {
      const answer = await ask(ctx, await fresh(ctx), "remove the file");
      const calls = editor.updates.filter((each) => each.sessionUpdate.startsWith("tool_call"));
      const last = calls.at(-1);
      return {
        asked: editor.asked,
        titles: calls.filter((c) => c.sessionUpdate === "tool_call").map((c) => c.title),
        last: last.status,
        result: last.content[0].content.text.trim(),
        text: editor.texts("agent_message_chunk"),
        stop: answer.stopReason,
      };
    }),
  cancel: () =>
    connected(async (ctx, editor) => {
      const leave = new AbortController();
      const turn = ask(ctx, await fresh(ctx), "a long story", { cancellationSignal: leave.signal });
      while (!editor.updates.length) await new Promise((go) => setTimeout(go, 10));
      leave.abort();
      return { stop: (await turn).stopReason };
    }),
  async again() {
    const sessionId = await connected(async (ctx) => {
      const made = await fresh(ctx);
      await ask(ctx, made, "hello there");
      return made;
    });
    const [listed, loaded] = await connected(async (ctx, editor) => {
      const { sessions } = await ctx.request(agent.session.list, {});
      await ctx.request(agent.session.load, { sessionId, cwd: "/", mcpServers: [] });
      const told = [editor.texts("user_message_chunk"), editor.texts("agent_message_chunk")];
      await ask(ctx, sessionId, "and more");
      await ctx.request(agent.session.close, { sessionId });
      return [sessions.some((each) => each.sessionId === sessionId), told];
    });
    const resumed = await connected(async (ctx, editor) => {
      await ctx.request(agent.session.resume, { sessionId, cwd: "/" });
      const told = editor.updates.filter((u) => u.sessionUpdate === "agent_message_chunk");
      await ask(ctx, sessionId, "the last");
      return told.length;
    });
    return { listed, loaded, resumed };
  },
  errors: () =>
    connected(async (ctx) => {
      const session = await fresh(ctx);
      try {
        await ask(ctx, session, "fail");
      } catch (error) {
        return { code: error.code, said: Boolean(error.message) };
      }
    }),
};

console.log(JSON.stringify(await parts[WHAT]()));
