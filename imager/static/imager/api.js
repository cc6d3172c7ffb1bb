"use strict";
// The two pages about the API. All parts come from this server; nothing is asked of anybody else.

const csrf = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];

function sign(request) {
  const own = new URL(request.url, location.href).origin === location.origin;
  if (own && csrf()) request.headers["X-CSRFToken"] = csrf();
  return request;
}

const swagger = document.getElementById("swagger");
if (swagger) {
  globalThis.SwaggerUIBundle({
    url: swagger.dataset.schema,
    domNode: swagger,
    validatorUrl: null, // else it would show our schema to a stranger
    deepLinking: true,
    persistAuthorization: false,
    requestInterceptor: sign,
    docExpansion: "none",
    tryItOutEnabled: false,
  });
}

const redoc = document.getElementById("redoc");
if (redoc) {
  // Its search runs in a worker made of text, which the policy forbids.
  const words = { primary: "#1b2530", secondary: "#4a545e" };
  const colors = { primary: { main: "#1d5590" }, success: { main: "#0f4f17" }, error: { main: "#8f1d17" }, text: words };
  const face = { fontFamily: "system-ui, sans-serif", code: { color: "#7d1710" } };
  const options = { disableSearch: true, nonce: redoc.dataset.nonce, theme: { colors, typography: face } };
  globalThis.Redoc.init(redoc.dataset.schema, options, redoc);
}
