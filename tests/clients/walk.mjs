// An app built on openid-client walks every way to a token. What needs a person is asked for on stdout, one JSON object a
// line, and answered on stdin; the last line tells what came of it.
import { createInterface } from "node:readline";
import * as client from "openid-client";

const { issuer, clientId, secret, redirectUri } = JSON.parse(process.env.WALK);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ask = async (question) => {
  process.stdout.write(JSON.stringify(question) + "\n");
  return JSON.parse((await lines.next()).value);
};
const refusal = async (attempt) => {
  try {
    await attempt;
    return null;
  } catch (error) {
    return error.error ?? error.code;
  }
};

const config = await client.discovery(
  new URL(issuer),
  clientId,
  secret ?? undefined,
  secret ? client.ClientSecretBasic(secret) : client.None(),
  { algorithm: "oauth2", execute: [client.allowInsecureRequests] },
);
const told = { discovered: config.serverMetadata().issuer };

const authorize = async () => {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: "inbox:read inbox:reply",
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
  });
  const back = new URL((await ask({ open: url.href })).back);
  return { back, checks: { pkceCodeVerifier, expectedState } };
};

const first = await authorize();
const mixedUp = new URL(first.back);
mixedUp.searchParams.set("iss", "https://evil.example");
told.mixUp = await refusal(client.authorizationCodeGrant(config, mixedUp, first.checks));
told.foreignState = await refusal(
  client.authorizationCodeGrant(config, first.back, { ...first.checks, expectedState: "foreign" }),
);
told.wrongVerifier = await refusal(
  client.authorizationCodeGrant(config, first.back, {
    ...first.checks,
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
  }),
);
told.code = await client.authorizationCodeGrant(config, first.back, first.checks);
told.refreshed = await client.refreshTokenGrant(config, told.code.refresh_token);
told.escalated = await refusal(
  client.refreshTokenGrant(config, told.refreshed.refresh_token, { scope: "inbox:read audit:read" }),
);

const device = await client.initiateDeviceAuthorization(config, { scope: "inbox:read" });
await ask({ type: device.user_code, at: device.verification_uri });
told.device = await client.pollDeviceAuthorizationGrant(config, device);

if (secret) {
  told.introspected = await client.tokenIntrospection(config, told.refreshed.access_token);
  told.itself = await client.clientCredentialsGrant(config, { scope: "template:read" });
}
told.viewed = await ask({ look: told.refreshed.access_token });
await client.tokenRevocation(config, told.device.refresh_token);
told.viewedAfterRevocation = await ask({ look: told.device.access_token });

told.replayed = await refusal(client.refreshTokenGrant(config, told.code.refresh_token));
told.afterReplay = await refusal(client.refreshTokenGrant(config, told.refreshed.refresh_token));
told.usedCode = await refusal(client.authorizationCodeGrant(config, first.back, first.checks));
process.stdout.write(JSON.stringify({ told }) + "\n");
process.exit(0);
