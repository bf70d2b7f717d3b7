// Uses Vercel's AI SDK: `ai_chat.mjs BASE_URL TOKEN PROVIDER WHAT`; prints JSON.
// PROVIDER is "compatible" (@ai-sdk/openai-compatible), or "openai" or "responses" (@ai-sdk/openai).
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const [baseURL, TOKEN, PROVIDER, WHAT] = process.argv.slice(2);

function model(apiKey = TOKEN) {
  if (PROVIDER === "responses") return createOpenAI({ baseURL, apiKey }).responses("default");
  if (PROVIDER === "openai") return createOpenAI({ baseURL, apiKey }).chat("default");
  return createOpenAICompatible({ name: "trouper", baseURL, apiKey, includeUsage: true })("default");
}

const asked = { model: model(), maxRetries: 0 };

const parts = {
  async plain() {
    const answer = await generateText({ ...asked, prompt: "hello there" });
    return {
      text: answer.text,
      finish: answer.finishReason,
      tokens: answer.usage.totalTokens,
    };
  },
  async streamed() {
    const answer = streamText({ ...asked, prompt: "hello there" });
    const pieces = [];
    for await (const piece of answer.textStream) pieces.push(piece);
    const usage = await answer.usage;
    return { text: pieces.join(""), pieces: pieces.length, tokens: usage.totalTokens };
  },
  async tools() {
    const called = [];
    const clock = tool({
      description: "Tells the time",
      inputSchema: jsonSchema({ type: "object", properties: { tz: { type: "string" } } }),
      execute: async ({ tz }) => {
        called.push(tz);
        return `noon in ${tz}`;
      },
    });
    const answer = streamText({
      ...asked,
      prompt: "what time is it?",
      tools: { clock },
      stopWhen: stepCountIs(3),
    });
    const text = await answer.text;
    const steps = await answer.steps;
    return { called: called.sort(), text, steps: steps.length };
  },
  async errors() {
    try {
      await generateText({ ...asked, model: model("wrong-token"), prompt: "hello" });
    } catch (error) {
      return { api: APICallError.isInstance(error), status: error.statusCode, text: error.message };
    }
  },
  async left() {
    const leave = new AbortController();
    const answer = streamText({
      ...asked,
      prompt: "a long story",
      abortSignal: leave.signal,
      onError: () => {},
    });
    let seen = 0;
    for await (const part of answer.fullStream) {
      if (part.type === "abort") return { seen, ended: "abort" };
      if (part.type === "text-delta" && ++seen === 3) leave.abort();
    }
    return { seen, ended: "end" };
  },
};

console.log(JSON.stringify(await parts[WHAT]()));
