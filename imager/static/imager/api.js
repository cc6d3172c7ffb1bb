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
  globalThis.Redoc.init(redoc.dataset.schema, { disableSearch: true, hideDownloadButton: false }, redoc);
}
