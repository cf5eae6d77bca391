// The interface of Swagger over our own document; nothing is asked of any other host.
window.addEventListener("load", () => {
  window.SwaggerUIBundle({
    url: "/api/schema",
    dom_id: "#interface",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
  });
});
